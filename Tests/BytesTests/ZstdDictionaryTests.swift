// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite("Zstd dictionaries")
struct ZstdDictionaryTests {
    /// Small records of one kind: what dictionaries are for.
    private static func records(_ range: Range<Int>) -> [[UInt8]] {
        range.map { number in
            let text =
                #"{"user":"user-\#(number * 7919 % 10_007)","country":"CH","plan":"standard","#
                + #""visits":\#(number * 31 % 997),"referrer":"https://example.org/list"}"#
            return Array(text.utf8)
        }
    }

    private static func trained(level: Int = 3) -> ZstdDictionary? {
        let samples = records(0..<2_000)
        var writer = ByteWriter()
        for sample in samples { writer.append(sample) }
        return ZstdDictionary.train(
            writer.view,
            sizes: samples.map(\.count),
            count: 4096,
            compressionLevel: level
        )
    }

    private static func restored(
        _ compressed: ByteView,
        count: Int,
        _ dictionary: ZstdDictionary?
    ) -> [UInt8]? {
        var target = [UInt8](repeating: 0, count: count)
        let isSound = target.withUnsafeMutableBytes {
            Codec.zstd.decompress(compressed, into: $0, dictionary: dictionary)
        }
        return isSound ? target : nil
    }

    @Test("What is compressed with a dictionary is smaller, and comes back through its bytes alone")
    func roundTrip() throws {
        let writing = try #require(ZstdDictionaryTests.trained())
        let reading = try #require(writing.bytes.withView { ZstdDictionary($0) })
        #expect(reading.id == writing.id && reading.id != 0)
        var plainCount = 0
        var count = 0
        for record in ZstdDictionaryTests.records(5_000..<5_100) {
            var compressed = ByteWriter()
            record.withView { view in
                plainCount += Codec.zstd.compress(view, into: &compressed, level: 3)
                compressed.removeAll()
                count += Codec.zstd.compress(view, into: &compressed, dictionary: writing)
            }
            let back = ZstdDictionaryTests.restored(
                compressed.view,
                count: record.count,
                reading
            )
            #expect(back == record)
            // Without the dictionary it is refused, not read as something else.
            #expect(
                ZstdDictionaryTests.restored(compressed.view, count: record.count, nil) == nil
            )
        }
        #expect(count * 2 < plainCount)
    }

    @Test("What was compressed without a dictionary reads with one too")
    func mixed() throws {
        let dictionary = try #require(ZstdDictionaryTests.trained())
        let record = ZstdDictionaryTests.records(1..<2)[0]
        var compressed = ByteWriter()
        _ = record.withView { Codec.zstd.compress($0, into: &compressed) }
        let back = ZstdDictionaryTests.restored(compressed.view, count: record.count, dictionary)
        #expect(back == record)
    }

    @Test("Bytes that are no dictionary are refused, whatever they are")
    func malformed() throws {
        let sound = try #require(ZstdDictionaryTests.trained()).bytes
        #expect(ZstdDictionary(.empty) == nil)
        #expect(
            Array("a long text that is no dictionary".utf8).withView { ZstdDictionary($0) } == nil
        )
        for count in 0..<32 {
            #expect(Array(sound.prefix(count)).withView { ZstdDictionary($0) } == nil)
        }
        // Damage behind the header is found by the checksum of the block that holds it; here it must
        // only not trap, neither at once nor when something is read with it.
        let record = ZstdDictionaryTests.records(1..<2)[0]
        var compressed = ByteWriter()
        _ = record.withView {
            Codec.zstd.compress($0, into: &compressed, dictionary: ZstdDictionaryTests.trained())
        }
        for place in stride(from: 4, to: sound.count, by: 7) {
            var damaged = sound
            damaged[place] ^= 0x55
            let dictionary = damaged.withView { ZstdDictionary($0) }
            _ = ZstdDictionaryTests.restored(compressed.view, count: record.count, dictionary)
        }
    }

    @Test("Too few samples, or samples of nothing in common, give no dictionary")
    func untrainable() {
        var writer = ByteWriter()
        writer.append([1, 2, 3])
        #expect(
            ZstdDictionary.train(writer.view, sizes: [3], count: 4096, compressionLevel: 1) == nil
        )
        #expect(ZstdDictionary.train(.empty, sizes: [], count: 4096, compressionLevel: 1) == nil)
    }
}
