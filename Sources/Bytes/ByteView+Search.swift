// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

extension ByteView {
    /// The index of the first `byte` at or after `start`; nil if there is none.
    @inlinable
    package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        invariant(start >= 0 && start <= count, "search start outside of the view")
        guard start < count else { return nil }
        guard let found = memchr(base + start, Int32(byte), count - start) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// The index of the first byte of 0x80 or more at or after `start`; `count` if there is none.
    @inlinable
    package func firstNonASCIIIndex(from start: Int = 0) -> Int {
        invariant(start >= 0 && start <= count, "search start outside of the view")
        var index = start
        while index + 8 <= count {
            let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let high = UInt64(littleEndian: word) & 0x8080_8080_8080_8080
            if high != 0 { return index + high.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count {
            if base.load(fromByteOffset: index, as: UInt8.self) >= 0x80 { return index }
            index += 1
        }
        return count
    }

    /// The index of the first byte that isn't part of well-formed UTF-8; nil if all are.
    @inlinable
    package var firstInvalidUTF8Index: Int? {
        var index = firstNonASCIIIndex()
        while index < count {
            let length = utf8SequenceLength(at: index)
            if length == 0 { return index }
            index += length
            if index < count, self[index] < 0x80 { index = firstNonASCIIIndex(from: index) }
        }
        return nil
    }

    /// The length of the well-formed UTF-8 sequence at `index`, in bytes; 0 if there is none
    /// (Unicode, table 3-7: neither overlong forms nor surrogates).
    @usableFromInline
    func utf8SequenceLength(at index: Int) -> Int {
        let lead = self[index]
        if lead < 0x80 { return 1 }
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead <= 0xF4, index + length <= count else { return 0 }
        let second = self[index + 1]
        let low: UInt8 = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
        let high: UInt8 = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
        guard second >= low, second <= high else { return 0 }
        for offset in 2..<max(length, 2) where self[index + offset] & 0xC0 != 0x80 { return 0 }
        return length
    }
}
