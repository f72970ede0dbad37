// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// A growing buffer that is written front to back and reused: the scratch memory of every encoder.
///
/// Growth doubles; `removeAll` keeps the memory. A `view` is valid until the next write.
@usableFromInline
package struct ByteWriter: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer
    /// The memory held, in bytes.
    @usableFromInline package internal(set) var capacity: Int
    /// The number of bytes written.
    @usableFromInline package internal(set) var count = 0

    /// An empty writer with room for `capacity` bytes.
    @inlinable
    package init(capacity: Int = 64) {
        self.capacity = max(capacity, 16)
        self.base = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// The bytes written so far; valid until the next write.
    @inlinable
    package var view: ByteView { ByteView(base, count: count) }

    /// A copy of the bytes written so far.
    @inlinable
    package var array: [UInt8] { view.array }

    /// Forgets the content and keeps the memory.
    @inlinable
    package mutating func removeAll() { count = 0 }

    /// Forgets all bytes from `count` on.
    @inlinable
    package mutating func truncate(to count: Int) {
        invariant(count >= 0 && count <= self.count, "truncation beyond the written bytes")
        self.count = count
    }

    /// Forgets the first `n` bytes and moves the rest to the front.
    @inlinable
    package mutating func removeFirst(_ n: Int) {
        invariant(n >= 0 && n <= count, "removal beyond the written bytes")
        memmove(base, base + n, count - n)
        count -= n
    }

    /// Makes room for `n` more bytes.
    @inlinable
    package mutating func reserve(_ n: Int) {
        if count + n > capacity { grow(n) }
    }

    @inline(never)
    @usableFromInline
    mutating func grow(_ n: Int) {
        let larger = max(capacity * 2, count + n)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        moved.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    /// Appends one byte.
    @inlinable
    package mutating func append(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Appends the bytes of a view, which must not be of this writer.
    @inlinable
    package mutating func append(_ view: ByteView) {
        reserve(view.count)
        (base + count).copyMemory(from: view.base, byteCount: view.count)
        count += view.count
    }

    /// Appends the bytes of an array.
    @inlinable
    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append(ByteView($0)) }
    }

    /// Appends the UTF-8 bytes of a string.
    @inlinable
    package mutating func append(utf8 string: String) {
        var string = string
        string.withUTF8 { append(ByteView(UnsafeRawBufferPointer($0))) }
    }

    /// Appends an integer, most significant byte first.
    @inlinable
    package mutating func appendBigEndian<I: FixedWidthInteger>(_ value: I) {
        reserve(MemoryLayout<I>.size)
        base.storeBytes(of: value.bigEndian, toByteOffset: count, as: I.self)
        count += MemoryLayout<I>.size
    }

    /// Appends an integer, least significant byte first.
    @inlinable
    package mutating func appendLittleEndian<I: FixedWidthInteger>(_ value: I) {
        reserve(MemoryLayout<I>.size)
        base.storeBytes(of: value.littleEndian, toByteOffset: count, as: I.self)
        count += MemoryLayout<I>.size
    }

    /// Appends `n` bytes that `fill` writes; it returns how many of them count.
    @inlinable
    package mutating func append<E: Error>(
        upTo n: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        reserve(n)
        let used = try fill(UnsafeMutableRawBufferPointer(start: base + count, count: n))
        invariant(used >= 0 && used <= n, "fill wrote more than it was given")
        count += used
    }

    /// Overwrites bytes that were written earlier with a big-endian integer.
    @inlinable
    package mutating func putBigEndian<I: FixedWidthInteger>(_ value: I, at offset: Int) {
        invariant(offset >= 0 && offset + MemoryLayout<I>.size <= count, "put outside")
        base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: I.self)
    }

    /// Overwrites bytes that were written earlier with a little-endian integer.
    @inlinable
    package mutating func putLittleEndian<I: FixedWidthInteger>(_ value: I, at offset: Int) {
        invariant(offset >= 0 && offset + MemoryLayout<I>.size <= count, "put outside")
        base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: I.self)
    }

    /// Overwrites one byte that was written earlier.
    @inlinable
    package mutating func put(_ byte: UInt8, at offset: Int) {
        invariant(offset >= 0 && offset < count, "put outside")
        base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }

    /// Inverts all bits of the bytes from `offset` on (a descending key component).
    @inlinable
    package mutating func invert(from offset: Int) {
        invariant(offset >= 0 && offset <= count, "invert outside")
        for index in offset..<count {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            base.storeBytes(of: ~byte, toByteOffset: index, as: UInt8.self)
        }
    }
}
