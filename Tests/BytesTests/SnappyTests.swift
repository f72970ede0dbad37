// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Bytes

/// The decoder against the library's encoder, and against damage.
@Suite("Snappy")
struct SnappyTests {
    private struct Numbers {
        var state: UInt64
        mutating func next(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
    }

    /// Text in which pieces of every length come again at every distance.
    private func text(_ count: Int, _ numbers: inout Numbers) -> [UInt8] {
        var text: [UInt8] = []
        while text.count < count {
            let length = 1 + numbers.next(below: [4, 20, 70, 700][numbers.next(below: 4)])
            if text.isEmpty || numbers.next(below: 2) == 0 {
                text += (0..<length).map { _ in UInt8(numbers.next(below: 256)) }
            } else {
                let distance = 1 + numbers.next(below: min(text.count, 40_000))
                for _ in 0..<length { text.append(text[text.count - distance]) }
            }
        }
        return Array(text.prefix(count))
    }

    private func decode(_ bytes: [UInt8], count: Int) -> [UInt8]? {
        var target = [UInt8](repeating: 0xAA, count: count + 32)
        let isWhole = target.withUnsafeMutableBytes { buffer in
            bytes.withView { view in
                SnappyDecoder.decode(view, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        // Nothing is written beyond the target, whatever the input.
        #expect(target[count...].allSatisfy { $0 == 0xAA })
        return isWhole ? Array(target[..<count]) : nil
    }

    private func encode(_ text: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        text.withView { _ = Codec.snappy.compress($0, into: &writer) }
        return writer.array
    }

    @Test("What the library has compressed comes back", arguments: 1...60)
    func roundTrip(seed: UInt64) {
        var numbers = Numbers(state: seed)
        let text = text(numbers.next(below: [40, 5000, 200_000][Int(seed % 3)]), &numbers)
        let encoded = encode(text)
        #expect(decode(encoded, count: text.count) == text)
        #expect(decode(encoded, count: text.count + 1) == nil)
    }

    @Test("Damaged and cut input is refused or gives other bytes, and nothing else")
    func damage() {
        var numbers = Numbers(state: 5)
        let text = text(3000, &numbers)
        let encoded = encode(text)
        for cut in 0..<encoded.count {
            #expect(decode(Array(encoded[..<cut]), count: text.count) == nil)
        }
        for _ in 0..<3000 {
            var damaged = encoded
            damaged[numbers.next(below: damaged.count)] ^= UInt8(1 << numbers.next(below: 8))
            _ = decode(damaged, count: text.count)
        }
    }

    @Test(
        "What no encoder writes is refused",
        arguments: [
            // A copy before anything was written; of distance 0; from before the start.
            [4, 0b0000_0001, 1], [5, 0, 65, 0b0000_0001, 0], [5, 0, 65, 0b0000_0001, 2],
            // A literal longer than the input, and than the output.
            [4, 3 << 2, 65], [1, 1 << 2, 65, 66], [4, 60 << 2], [4, 61 << 2, 3],
            // Input after the end, and none.
            [1, 0, 65, 0, 66], [],
        ] as [[UInt8]]
    )
    func malformed(input: [UInt8]) {
        #expect(decode(input, count: Int(input.first ?? 0)) == nil)
    }
}
