// SPDX-License-Identifier: Apache-2.0

private import CIntrinsics

/// Asks the processor to fetch the line of memory at `address`, which will be read soon, and doesn't
/// wait for it. The address need not be valid.
package func prefetch(_ address: UnsafeRawPointer) { tholos_prefetch(address) }
