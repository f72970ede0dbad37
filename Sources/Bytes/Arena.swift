// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// Memory that only grows and is freed at once: the home of a memtable's nodes, keys and values.
///
/// Address space is reserved up front and touched page by page, so that an allocation is named by a
/// 32-bit offset from one base and an idle arena costs no memory. Owned by one shard; after the last
/// allocation it may be read from anywhere.
package final class Arena: @unchecked Sendable {  // Owner: one shard writes; readers follow it.
    /// The address of offset 0. Offset 0 itself is never given out, so that it can mean "none".
    package let base: UnsafeMutableRawPointer
    /// The address space that was reserved, in bytes; at most 4 GiB.
    package let capacity: Int
    /// The bytes given out so far.
    package private(set) var used: Int

    /// Reserves `capacity` bytes of address space.
    package init(capacity: Int) {
        invariant(capacity > 0 && capacity <= 1 << 32, "an arena is at most 4 GiB")
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let address = mmap(nil, capacity, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let address, address != MAP_FAILED else {
            invariantFailure("the system refused \(capacity) bytes of address space")
        }
        self.base = address
        self.capacity = capacity
        self.used = 16
    }

    deinit { munmap(base, capacity) }

    /// Whether `count` more bytes fit.
    package func hasRoom(for count: Int) -> Bool { used + count + 8 <= capacity }

    /// Gives out `count` bytes, aligned to 8. The caller has checked `hasRoom`.
    package func allocate(_ count: Int) -> UInt32 {
        let offset = (used + 7) & ~7
        invariant(offset + count <= capacity, "the arena is full")
        used = offset + count
        return UInt32(truncatingIfNeeded: offset)
    }

    /// Takes back what was given out last, if that is `count` bytes at `offset`; else does nothing.
    package func reclaim(_ offset: UInt32, count: Int) {
        if Int(offset) + count == used, count > 0 { used = Int(offset) }
    }

    /// Gives out `count` bytes without alignment. The caller has checked `hasRoom`.
    package func allocateUnaligned(_ count: Int) -> UInt32 {
        let offset = used
        invariant(offset + count <= capacity, "the arena is full")
        used = offset + count
        return UInt32(truncatingIfNeeded: offset)
    }
}
