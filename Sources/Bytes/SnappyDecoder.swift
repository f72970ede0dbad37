// SPDX-License-Identifier: Apache-2.0

/// Decompresses Snappy's raw format (google/snappy, format_description.txt).
///
/// The library has a decoder, too, made for long inputs. Blocks are short, and mostly short runs: copied
/// sixteen bytes at a time, without a call for each, they come out in less than half the time.
enum SnappyDecoder {
    /// What is copied at once. A copy may write so much less one beyond its end, where there is room.
    private static let stride = 16

    /// Decompresses untrusted `source` into `target`, which must be exactly of the original's size.
    ///
    /// - Returns: false when `source` is damaged or its content has another size.
    static func decode(_ source: ByteView, into target: UnsafeMutableRawBufferPointer) -> Bool {
        var reader = ByteReader(source)
        guard let stated = try? reader.readVarint(), stated == UInt64(target.count) else {
            return false
        }
        guard let output = target.baseAddress else { return reader.isAtEnd }
        var decoder = State(
            input: source.base + reader.offset,
            inputEnd: source.base + source.count,
            start: output,
            output: output,
            outputEnd: output + target.count
        )
        return decoder.run()
    }

    private struct State {
        var input: UnsafeRawPointer
        let inputEnd: UnsafeRawPointer
        let start: UnsafeMutableRawPointer
        var output: UnsafeMutableRawPointer
        let outputEnd: UnsafeMutableRawPointer

        mutating func run() -> Bool {
            while input < inputEnd {
                let tag = Int(input.load(as: UInt8.self))
                input += 1
                let isWhole = tag & 3 == 0 ? literal(tag) : copy(tag)
                guard isWhole else { return false }
            }
            return output == outputEnd
        }

        /// Bytes that stand in the input.
        @inline(__always)
        private mutating func literal(_ tag: Int) -> Bool {
            var count = tag >> 2 + 1
            if count > 60 {
                guard let long = longCount(bytes: count - 60) else { return false }
                count = long
            }
            guard count <= inputEnd - input, count <= outputEnd - output else { return false }
            let reach = count + SnappyDecoder.stride - 1
            if reach <= inputEnd - input, reach <= outputEnd - output {
                moveStrides(count, from: input)
            } else {
                output.copyMemory(from: input, byteCount: count)
            }
            input += count
            output += count
            return true
        }

        @inline(never)
        private mutating func longCount(bytes: Int) -> Int? {
            guard bytes <= inputEnd - input else { return nil }
            var count = 0
            for index in 0..<bytes {
                count |= Int(input.load(fromByteOffset: index, as: UInt8.self)) << (8 * index)
            }
            input += bytes
            return count + 1
        }

        /// Bytes that came before.
        @inline(__always)
        private mutating func copy(_ tag: Int) -> Bool {
            let count: Int
            let distance: Int
            switch tag & 3 {
            case 1:
                guard inputEnd - input >= 1 else { return false }
                count = (tag >> 2) & 7 + 4
                distance = (tag >> 5) << 8 | Int(input.load(as: UInt8.self))
                input += 1
            case 2:
                guard inputEnd - input >= 2 else { return false }
                count = tag >> 2 + 1
                distance = Int(UInt16(littleEndian: input.loadUnaligned(as: UInt16.self)))
                input += 2
            default:
                guard inputEnd - input >= 4 else { return false }
                count = tag >> 2 + 1
                distance = Int(UInt32(littleEndian: input.loadUnaligned(as: UInt32.self)))
                input += 4
            }
            guard distance > 0, distance <= output - start, count <= outputEnd - output else {
                return false
            }
            let from = UnsafeRawPointer(output) - distance
            let reach = count + SnappyDecoder.stride - 1
            if distance >= SnappyDecoder.stride, reach <= outputEnd - output {
                moveStrides(count, from: from)
            } else {
                // A distance below the count repeats what has just been written.
                for offset in 0..<count {
                    let byte = from.load(fromByteOffset: offset, as: UInt8.self)
                    output.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
                }
            }
            output += count
            return true
        }

        /// Copies `count` bytes to the output, rounded up to whole strides.
        @inline(__always)
        private func moveStrides(_ count: Int, from: UnsafeRawPointer) {
            var offset = 0
            while offset < count {
                let bytes = from.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
                output.storeBytes(of: bytes, toByteOffset: offset, as: SIMD16<UInt8>.self)
                offset += SnappyDecoder.stride
            }
        }
    }
}
