// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

/// Pins the format to the byte: what `docs/formats/sstable.md` shows as its example.
@Suite("SSTable format")
struct SSTableFormatTests {
    /// The example of the document: partition 'a', clustering values 1 and 2, one column each.
    static func example() throws -> [UInt8] {
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.codec = .none
        options.filterFalsePositiveChance = 1
        options.identity = 1
        options.schema = []
        options.createdBy = "t"
        let partition = TestEntries.partition("a")
        let entries = [
            TestEntry(
                key: TestEntries.row(partition, 1),
                value: TestEntries.value([0x78], timestamp: 5, column: 1)
            ),
            TestEntry(
                key: TestEntries.row(partition, 2),
                value: TestEntries.value([0x79, 0x79], timestamp: 6, column: 1)
            ),
        ]
        try writeSSTable(fileSystem, "1", entries, options: options)
        return try fileSystem.contents("1")
    }

    private static let expected = [
        "895448535354310a0100010000000000c3e168899a3ef23fad978fed91220e50",
        "00110605555565f6597889610003400000000138010a010801780f0207023801",
        "0c01080279790000000001000000002e0000008a113d08f61878c10001070500",
        "203b0200000c00000000010000000013000000b4d088d76367619b0000000000",
        "a098fa15932a0a13010d010202000200000000000000040202010203160a0cfe",
        "ffffffffffffffff01ffffffffffffffffff0104020000051105555565f65978",
        "89610003400000000138061105555565f6597889610003400000000238070640",
        "00000001380806400000000238090200010a07000000000000010b0d0a055555",
        "65f659788961002f020c062f5b01012e3b0d0d00808001000000000000f03f00",
        "0e04000000010f017400a10000003533f8464996731c00010705005b20020000",
        "0c000000000100000000130000006af0e73ea53ae40501000100000000002000",
        "0000000000005b0000000000000005000100000000007b000000000000000d00",
        "00000000000004000100000000008800000000000000ae000000000000000200",
        "01000000000036010000000000002000000000000000006000000094e1d45570",
        "833eaf56010000000000006d00000000000000c3e168899a3ef23f0302000000",
        "00000000000000000000000100010000000000f7fb70ce92f2ce048954485345",
        "4e440a",
    ]

    @Test("The example of the format's document is what is written")
    func documentedExample() throws {
        let bytes = try SSTableFormatTests.example()
        let expected = SSTableFormatTests.expected.joined()
        #expect(bytes.withView { CQLType.hex($0) } == "0x" + expected)
    }

    @Test("The example reads")
    func fixture() throws {
        let digits = Array(SSTableFormatTests.expected.joined())
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { index in
            UInt8(String(digits[index...index + 1]), radix: 16)
        }
        let fileSystem = MemoryFileSystem()
        try fileSystem.setContents("1", bytes)
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "1").problems == [])
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(reader.version == (1, 1))
        #expect(reader.statistics.rowCount == 2)
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        try cursor.seekToLast()
        #expect(cursor.value.array == TestEntries.value([0x79, 0x79], timestamp: 6, column: 1))
    }
}
