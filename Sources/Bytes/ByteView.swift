// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// A borrowed run of bytes: a pointer and a count, without a reference count.
///
/// The bytes belong to somebody else (an arena, a cached block, a writer), and the view is valid only
/// while that owner keeps them. It is never stored beyond the call or cursor that made it.
/// Subscripts and slices are checked, also in release builds.
@usableFromInline
package struct ByteView {
    /// The address of the first byte.
    @usableFromInline package let base: UnsafeRawPointer
    /// The number of bytes.
    @usableFromInline package let count: Int

    /// A view of `count` bytes at `base`.
    @inlinable
    package init(_ base: UnsafeRawPointer, count: Int) {
        self.base = base
        self.count = count
    }

    /// A view of a buffer; an empty buffer without an address is an empty view.
    @inlinable
    package init(_ buffer: UnsafeRawBufferPointer) {
        self.base = buffer.baseAddress ?? ByteView.nowhere
        self.count = buffer.count
    }

    /// A view of no bytes.
    @inlinable
    package static var empty: ByteView { ByteView(nowhere, count: 0) }

    /// An address that is never read: the base of empty views.
    @inlinable
    package static var nowhere: UnsafeRawPointer {
        UnsafeRawPointer(bitPattern: 16).unsafelyUnwrapped
    }

    /// Whether there are no bytes.
    @inlinable
    package var isEmpty: Bool { count == 0 }

    /// The byte at `index`.
    @inlinable
    package subscript(_ index: Int) -> UInt8 {
        invariant(index >= 0 && index < count, "byte index outside of the view")
        return base.load(fromByteOffset: index, as: UInt8.self)
    }

    /// The bytes of `range`.
    @inlinable
    package subscript(_ range: Range<Int>) -> ByteView {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "range outside of the view")
        return ByteView(base + range.lowerBound, count: range.count)
    }

    /// All but the first `n` bytes.
    @inlinable
    package func dropFirst(_ n: Int) -> ByteView { self[n..<count] }

    /// The first `n` bytes.
    @inlinable
    package func prefix(_ n: Int) -> ByteView { self[0..<n] }

    /// The same bytes as a standard buffer.
    @inlinable
    package var buffer: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base, count: count)
    }

    /// A copy of the bytes.
    @inlinable
    package var array: [UInt8] { [UInt8](buffer) }

    /// Negative, zero or positive as these bytes sort before, with or after `other` (as `memcmp`,
    /// a prefix before what it is a prefix of).
    @inlinable
    package func compare(_ other: ByteView) -> Int {
        let order = memcmp(base, other.base, min(count, other.count))
        return order != 0 ? Int(order) : count - other.count
    }

    /// Whether both views hold the same bytes.
    @inlinable
    package func equals(_ other: ByteView) -> Bool {
        count == other.count && memcmp(base, other.base, count) == 0
    }

    /// Whether the view begins with all bytes of `prefix`.
    @inlinable
    package func hasPrefix(_ prefix: ByteView) -> Bool {
        count >= prefix.count && memcmp(base, prefix.base, prefix.count) == 0
    }

    /// The big-endian integer at `offset`.
    @inlinable
    package func loadBigEndian<I: FixedWidthInteger>(_ offset: Int, as type: I.Type) -> I {
        invariant(offset >= 0 && offset + MemoryLayout<I>.size <= count, "load outside of the view")
        return I(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: I.self))
    }

    /// The little-endian integer at `offset`.
    @inlinable
    package func loadLittleEndian<I: FixedWidthInteger>(_ offset: Int, as type: I.Type) -> I {
        invariant(offset >= 0 && offset + MemoryLayout<I>.size <= count, "load outside of the view")
        return I(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: I.self))
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with a view of the array's bytes, valid during the call.
    @inlinable
    package func withView<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try withUnsafeBufferPointer { (buffer) throws(E) -> R in
            try body(ByteView(UnsafeRawBufferPointer(buffer)))
        }
    }
}
