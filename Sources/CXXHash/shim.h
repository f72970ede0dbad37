// SPDX-License-Identifier: Apache-2.0
// The header-only form of libxxhash, so that the vectorised XXH3 is compiled into the caller.
#define XXH_INLINE_ALL
#include <xxhash.h>

// XXH_INLINE_ALL renames what it defines, so Swift reaches it by these names.
static inline XXH64_hash_t tholos_xxh3_64(const void *bytes, size_t count, XXH64_hash_t seed) {
    return seed == 0 ? XXH3_64bits(bytes, count) : XXH3_64bits_withSeed(bytes, count, seed);
}

static inline XXH128_hash_t tholos_xxh3_128(const void *bytes, size_t count) {
    return XXH3_128bits(bytes, count);
}
