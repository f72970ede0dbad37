// SPDX-License-Identifier: Apache-2.0
// What the processor can do and Swift has no word for.

static inline void tholos_prefetch(const void *address) { __builtin_prefetch(address); }
