// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Storage
import Testing

/// A file of a record log in memory, from payloads; an offset is durable from the record after it.
private struct LogImage {
    var bytes: [UInt8] = []
    /// Where each record begins; the last element is the end.
    var offsets: [Int] = []

    /// - Parameter batches: payload sizes of the records that one sync made durable, batch by batch.
    init(batches: [[Int]], salt: UInt64 = 5, segment: UInt64 = 3) {
        var writer = ByteWriter()
        let header = RecordLogFormat.Header(
            kind: .commitLog,
            segment: segment,
            salt: salt,
            startsRun: true
        )
        RecordLogFormat.append(header, to: &writer)
        var number = 0
        for batch in batches {
            let durable = writer.count
            for size in batch {
                offsets.append(writer.count)
                let offset = writer.count
                LogBench.payload(number, size: size).withView {
                    RecordLogFormat.appendRecord(
                        $0,
                        salt: salt,
                        offset: offset,
                        durable: durable,
                        to: &writer
                    )
                }
                number += 1
            }
        }
        offsets.append(writer.count)
        bytes = writer.array
    }
}

@Suite("Record log: torn tails and damage")
struct RecordLogTests {
    private func read(
        _ bytes: [UInt8],
        mayBeTorn: Bool = true,
        durable: Int = 0
    ) throws(StorageError) -> ([Int?], RecordLogReader.Summary) {
        let reader = RecordLogReader(
            path: "/log",
            kind: .commitLog,
            segment: 3,
            mayBeTorn: mayBeTorn,
            durable: durable
        )
        var numbers: [Int?] = []
        let summary = try bytes.withView { (view) throws(StorageError) in
            try reader.read(view) { (_, payload) throws(StorageError) in
                numbers.append(LogBench.number(payload))
            }
        }
        return (numbers, summary)
    }

    private func isDamage(_ body: () throws(StorageError) -> Void) -> CorruptionError? {
        do throws(StorageError) {
            try body()
            return nil
        } catch {
            guard case .corruption(let corruption) = error else { return nil }
            return corruption
        }
    }

    @Test("reads back what was written")
    func whole() throws {
        let image = LogImage(batches: [[0, 1, 300], [5000], [7]])
        let (numbers, summary) = try read(image.bytes)
        #expect(numbers == [0, 1, 2, 3, 4])
        #expect(summary.end == image.bytes.count)
        #expect(summary.tornTail == nil)
        #expect(summary.header?.salt == 5)
        #expect(summary.header?.segment == 3)
    }

    @Test("the layout is the documented one")
    func layout() {
        let bytes = LogImage(batches: [[0]]).bytes
        #expect(Array(bytes.prefix(8)) == Array("TholosCL".utf8))
        #expect(Array(bytes[8..<32]) == [1, 0, 0, 0, 1, 0, 0, 0, 3] + [0, 0, 0, 0, 0, 0, 0, 5]
            + [0, 0, 0, 0, 0, 0, 0])
        #expect(Array(bytes[48..<56]) == [8, 0, 0, 0, 40, 0, 0, 0])
        #expect(bytes.count == 40 + 16 + 8)
    }

    @Test("a file cut at any byte of its last record has a torn tail there and keeps the rest")
    func cut() throws {
        let image = LogImage(batches: [[10], [100, 30], [60]])
        let last = image.offsets[3]
        for end in last..<image.bytes.count {
            let (numbers, summary) = try read(Array(image.bytes.prefix(end)))
            #expect(numbers == [0, 1, 2])
            #expect(summary.tornTail == (end == last ? nil : last))
        }
    }

    @Test("garbage in any byte of the last record is a torn tail")
    func garbageTail() throws {
        let image = LogImage(batches: [[10], [60]])
        for place in image.offsets[1]..<image.bytes.count {
            var bytes = image.bytes
            bytes[place] ^= 0x55
            let (numbers, summary) = try read(bytes)
            #expect(numbers == [0])
            #expect(summary.tornTail == image.offsets[1])
        }
    }

    @Test("every flipped bit before the last sync is refused, with the place of the record")
    func flips() throws {
        let image = LogImage(batches: [[10], [40, 3], [60], [20]])
        for place in 0..<image.offsets[4] {
            for bit in 0..<8 {
                var bytes = image.bytes
                bytes[place] ^= 1 << UInt8(bit)
                let corruption = isDamage { () throws(StorageError) in _ = try read(bytes) }
                let record = image.offsets.last { $0 <= place } ?? 0
                #expect(corruption?.offset == record, "byte \(place), bit \(bit)")
                #expect(corruption?.path == "/log")
                #expect(corruption?.advice.contains("restore this file") == true)
            }
        }
    }

    @Test("a hole in the last batch is a torn tail, although whole records follow it")
    func hole() throws {
        let image = LogImage(batches: [[10], [700, 700, 700, 700]])
        var bytes = image.bytes
        for place in image.offsets[2]..<image.offsets[2] + 512 { bytes[place] = 0 }
        let (numbers, summary) = try read(bytes)
        #expect(numbers == [0, 1])
        #expect(summary.tornTail == image.offsets[2])
        // The same hole is damage as soon as a record of a later batch stands behind it.
        let longer = LogImage(batches: [[10], [700, 700, 700, 700], [1]])
        var damaged = longer.bytes
        for place in image.offsets[2]..<image.offsets[2] + 512 { damaged[place] = 0 }
        let corruption = isDamage { () throws(StorageError) in _ = try read(damaged) }
        #expect(corruption?.offset == image.offsets[2])
    }

    @Test("zeros behind the last record are a clean end")
    func zeros() throws {
        let image = LogImage(batches: [[10], [20]])
        for count in [1, 7, 16, 4096] {
            let (numbers, summary) = try read(image.bytes + [UInt8](repeating: 0, count: count))
            #expect(numbers == [0, 1])
            #expect(summary.tornTail == nil)
        }
    }

    @Test("a file that is not the last of its run must be whole")
    func middleFile() throws {
        let image = LogImage(batches: [[10], [20]])
        #expect(try read(image.bytes, mayBeTorn: false).0 == [0, 1])
        for end in image.offsets[1] + 1..<image.bytes.count {
            let cut = Array(image.bytes.prefix(end))
            let corruption = isDamage { () throws(StorageError) in
                _ = try read(cut, mayBeTorn: false)
            }
            #expect(corruption?.offset == image.offsets[1])
        }
    }

    @Test("what is known to be durable from elsewhere must be there")
    func durable() throws {
        let image = LogImage(batches: [[10], [20]])
        let cut = Array(image.bytes.prefix(image.offsets[1]))
        #expect(try read(cut, durable: image.offsets[1]).0 == [0])
        #expect(isDamage { () throws(StorageError) in
            _ = try read(cut, durable: image.bytes.count)
        } != nil)
        #expect(isDamage { () throws(StorageError) in _ = try read([], durable: 1) } != nil)
    }

    @Test("records of another file or another place never validate")
    func stale() throws {
        let image = LogImage(batches: [[10], [20]])
        let other = LogImage(batches: [[10], [20], [30]], salt: 6)
        let (numbers, summary) = try read(image.bytes + other.bytes[image.bytes.count...])
        #expect(numbers == [0, 1])
        #expect(summary.tornTail == image.bytes.count)
        let moved = image.bytes + image.bytes[image.offsets[1]...]
        #expect(try read(moved).0 == [0, 1])
    }

    @Test("a header that was never durable is a torn file, any other damage of it is refused")
    func header() throws {
        let image = LogImage(batches: [[10]])
        for end in 0..<40 {
            #expect(try read(Array(image.bytes.prefix(end))).1.tornTail == 0)
            #expect(isDamage { () throws(StorageError) in
                _ = try read(Array(image.bytes.prefix(end)), mayBeTorn: false)
            } != nil)
        }
        #expect(try read([UInt8](repeating: 0, count: 100)).1.tornTail == 0)
        let otherNumber = LogImage(batches: [[10]], segment: 4)
        let corruption = isDamage { () throws(StorageError) in _ = try read(otherNumber.bytes) }
        #expect(corruption?.found == "number 4")
    }

    @Test("a later version is told apart from damage")
    func version() throws {
        var writer = ByteWriter()
        writer.append(Array(LogImage(batches: []).bytes.prefix(8)))
        writer.appendLittleEndian(UInt32(2))
        writer.append([UInt8](repeating: 0, count: 20))
        writer.appendLittleEndian(Checksum.xxh3(writer.view))
        writer.append([1, 2, 3])
        let bytes = writer.array
        do throws(StorageError) {
            _ = try read(bytes)
            Issue.record("a file of version 2 was read")
        } catch {
            #expect(error.description.contains("version 2 of the commit log"))
        }
    }

    @Test("what the fuzzer calls holds for scripts of any kind")
    func fuzz() {
        var generator = SplitMix64(seed: 3)
        for size in 0..<300 {
            let bytes = (0..<size).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            bytes.withView { CommitLogFuzz.run($0) }
        }
    }
}
