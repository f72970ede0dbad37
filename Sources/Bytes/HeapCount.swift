// SPDX-License-Identifier: Apache-2.0

/// What allocations take of the heap, with what the allocator keeps beside and rounds up.
package enum HeapCount {
    /// The most bytes that an allocation of `count` bytes takes; 0 for none.
    ///
    /// As glibc's malloc has it: eight bytes of its own, in steps of 16, at least 32, and a rest of 16 that
    /// is too small to be split off. A large allocation may be a mapping, which is whole pages. What it
    /// takes at a moment would be exact to the last 16 bytes, and differ from run to run.
    package static func of(_ count: Int) -> Int {
        guard count > 0 else { return 0 }
        guard count >= mappedMin else { return max((count + 8 + 15) & ~15, 32) + 16 }
        return (count + 16 + 4095) & ~4095
    }

    /// What is smaller is never a mapping of its own.
    private static let mappedMin = 128 << 10
}
