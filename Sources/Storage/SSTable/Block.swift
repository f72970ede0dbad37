// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The decompressed bytes of one stored block: counted by reference, never changed once filled.
///
/// What reads from it holds it, so a cache may drop it at any time.
package final class Block: @unchecked Sendable {  // Immutable after `init`.
    private let base: UnsafeMutableRawPointer
    /// The number of bytes.
    package let count: Int

    /// A block of `count` bytes that `fill` writes; nil when it returns false.
    init?<E: Error>(
        count: Int,
        alignment: Int = 16,
        _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Bool
    ) throws(E) {
        base = UnsafeMutableRawPointer.allocate(byteCount: max(count, 16), alignment: alignment)
        self.count = count
        guard try fill(UnsafeMutableRawBufferPointer(start: base, count: count)) else { return nil }
    }

    /// A copy of `view`.
    init(copying view: ByteView) {
        base = UnsafeMutableRawPointer.allocate(byteCount: max(view.count, 16), alignment: 16)
        count = view.count
        base.copyMemory(from: view.base, byteCount: view.count)
    }

    deinit { base.deallocate() }

    /// The bytes, valid while the block is held.
    package var view: ByteView { ByteView(base, count: count) }

    /// The memory that the block takes, the object with its bytes, as much of the heap as they take.
    package var memoryCount: Int { HeapCount.of(max(count, 16)) + Block.objectCount }

    /// Header, address and count.
    private static let objectCount = HeapCount.of(32)
}
