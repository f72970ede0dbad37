// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// The numbers of the SSTable format; `docs/formats/sstable.md` specifies it to the byte.
///
///     file    = header region filter? schema statistics top-index directory footer
///     region  = (data-block | index-block)*      an index block follows the blocks that it lists
///     block   = payload codec (1) uncompressed-size (4) checksum (8)
///
/// Integers are little-endian, unless they are part of a key. The writer is `SSTableWriter`, the
/// reader `SSTableReader`.
package enum SSTableFormat {
    /// The first bytes of a file.
    static let headerMagic: UInt64 = 0x0A31_5453_5348_5489
    /// The last bytes of a file.
    static let footerMagic: UInt64 = 0x0A44_4E45_5348_5489
    /// A reader refuses a greater major version.
    package static let majorVersion: UInt16 = 1
    /// A greater minor version only adds what older readers may pass over.
    package static let minorVersion: UInt16 = 1

    /// Bytes of the header: magic 8, major 2, minor 2, zero 4, salt 8, checksum 8.
    static let headerCount = 32
    /// Bytes of the footer: directory offset 8, directory size 4, zero 4, salt 8, file size 8, zero 8,
    /// major 2, minor 2, zero 4, checksum 8, magic 8.
    static let footerCount = 64
    /// Bytes after a block's payload: codec 1, uncompressed size 4, checksum 8.
    package static let trailerCount = 13
    /// The most bytes that a block may have uncompressed.
    static let blockCountMax = 1 << 30
    /// Bytes of the filter in one stored block: a lookup that misses memory reads one.
    static let filterPageCount = 16_384
    /// The uncompressed size at which an index block is closed.
    static let indexBlockCount = 4096
    /// Entries between restart points of data and of index blocks.
    static let dataRestartInterval = 8
    static let indexRestartInterval = 4
    /// What a reader accepts: it walks backwards an interval at a time.
    static let restartIntervalMax = 256
    /// What compression must save for the compressed form to be kept: one part in eight.
    static let savingDivisor = 8

    /// The seed of the checksum of what stands at `offset`: other files and other places have another,
    /// so that a block that was written to the wrong place is not taken for the right one.
    static func seed(salt: UInt64, offset: Int) -> UInt64 { salt &+ UInt64(offset) }

    /// The salt of a file that is named by `identity`: spread, so that the seeds of files don't meet.
    static func salt(identity: UInt64) -> UInt64 {
        var word = identity
        return withUnsafeBytes(of: &word) { Checksum.xxh3(ByteView($0), seed: footerMagic) }
    }
}

/// Where a stored block is: its place in the file, the trailer included.
package struct BlockHandle: Hashable, Sendable {
    package let offset: Int
    package let storedCount: Int

    package init(offset: Int, storedCount: Int) {
        self.offset = offset
        self.storedCount = storedCount
    }

    /// The first byte after the block.
    package var end: Int { offset + storedCount }
}

/// The kinds of sections of an SSTable.
package enum SectionID: UInt16, Sendable, CaseIterable {
    /// Data and index blocks.
    case region = 1
    /// One block that lists the index blocks.
    case topIndex = 2
    /// The partition filter, in pages.
    case filter = 3
    /// `SSTableStatistics`.
    case statistics = 4
    /// The table's schema when the file was written.
    case schema = 5
    /// Postings of secondary indexes: data and index blocks.
    case postings = 6
    /// One block that lists the index blocks of `postings`.
    case postingsTop = 7
    /// Which indexes the postings are of. (8 was this in files that have no postings of values with
    /// more than 65,535 bytes. They count as files without postings, and get them anew.)
    case indexes = 11
    /// The dictionary with which data blocks were compressed.
    case dictionary = 9
    /// Between what the columns' values lie, by index block.
    case columnRanges = 10
}

/// An entry of the section directory.
struct Section: Equatable, Sendable {
    /// A `SectionID`, or one of a later version.
    let id: UInt16
    /// Bit 0: a reader that doesn't know the section must refuse the file.
    let flags: UInt16
    /// 0 when the section is one stored block (or the region); else the payload of each stored block
    /// but the last.
    let pageCount: UInt32
    let offset: Int
    let count: Int

    static let encodedCount = 24
    static let required: UInt16 = 1

    var handle: BlockHandle { BlockHandle(offset: offset, storedCount: count) }

    init(
        _ id: SectionID,
        offset: Int,
        count: Int,
        required: Bool = true,
        pageCount: Int = 0
    ) {
        self.id = id.rawValue
        self.flags = required ? Section.required : 0
        self.pageCount = UInt32(pageCount)
        self.offset = offset
        self.count = count
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        id = try reader.readLittleEndian()
        flags = try reader.readLittleEndian()
        pageCount = try reader.readLittleEndian()
        offset = try reader.readOffset()
        count = try reader.readOffset()
    }

    func append(to writer: inout ByteWriter) {
        writer.appendLittleEndian(id)
        writer.appendLittleEndian(flags)
        writer.appendLittleEndian(pageCount)
        writer.appendLittleEndian(UInt64(offset))
        writer.appendLittleEndian(UInt64(count))
    }
}

/// The end of a file, from which all else is found.
struct Footer: Equatable, Sendable {
    let directory: BlockHandle
    let salt: UInt64
    let fileCount: Int
    var major = SSTableFormat.majorVersion
    var minor = SSTableFormat.minorVersion

    init(directory: BlockHandle, salt: UInt64, fileCount: Int) {
        self.directory = directory
        self.salt = salt
        self.fileCount = fileCount
    }

    /// Appends the footer, which starts at `offset` of the file.
    func append(to writer: inout ByteWriter, offset: Int) {
        let start = writer.count
        writer.appendLittleEndian(UInt64(directory.offset))
        writer.appendLittleEndian(UInt32(directory.storedCount))
        writer.appendLittleEndian(UInt32(0))
        writer.appendLittleEndian(salt)
        writer.appendLittleEndian(UInt64(fileCount))
        writer.appendLittleEndian(UInt64(0))
        writer.appendLittleEndian(major)
        writer.appendLittleEndian(minor)
        writer.appendLittleEndian(UInt32(0))
        let checksum = Checksum.xxh3(writer.view.dropFirst(start), seed: UInt64(offset))
        writer.appendLittleEndian(checksum)
        writer.appendLittleEndian(SSTableFormat.footerMagic)
    }

    /// Why bytes are no footer.
    enum Flaw: Error {
        case magic(UInt64)
        case checksum(expected: UInt64, found: UInt64)
        case malformed(MalformedBytes)
    }

    /// Reads the `footerCount` bytes that start at `offset` of the file.
    init(_ view: ByteView, offset: Int) throws(Flaw) {
        let magic = view.loadLittleEndian(56, as: UInt64.self)
        guard magic == SSTableFormat.footerMagic else { throw .magic(magic) }
        let stated = view.loadLittleEndian(48, as: UInt64.self)
        let actual = Checksum.xxh3(view.prefix(48), seed: UInt64(offset))
        guard stated == actual else { throw .checksum(expected: stated, found: actual) }
        var reader = ByteReader(view)
        do throws(MalformedBytes) {
            let directoryOffset = try reader.readOffset()
            let directoryCount: UInt32 = try reader.readLittleEndian()
            reader.offset += 4
            directory = BlockHandle(offset: directoryOffset, storedCount: Int(directoryCount))
            salt = try reader.readLittleEndian()
            fileCount = try reader.readOffset()
            reader.offset += 8
            major = try reader.readLittleEndian()
            minor = try reader.readLittleEndian()
        } catch {
            throw .malformed(error)
        }
    }
}

/// The start of a file: what it is, for people and for salvage.
///
/// Opening a file doesn't need it.
enum Header {
    static func append(to writer: inout ByteWriter, salt: UInt64) {
        let start = writer.count
        writer.appendLittleEndian(SSTableFormat.headerMagic)
        writer.appendLittleEndian(SSTableFormat.majorVersion)
        writer.appendLittleEndian(SSTableFormat.minorVersion)
        writer.appendLittleEndian(UInt32(0))
        writer.appendLittleEndian(salt)
        writer.appendLittleEndian(Checksum.xxh3(writer.view.dropFirst(start)))
    }

    /// Whether `view` is the sound header of a file with that salt.
    static func isSound(_ view: ByteView, salt: UInt64) -> Bool {
        view.count == SSTableFormat.headerCount
            && view.loadLittleEndian(0, as: UInt64.self) == SSTableFormat.headerMagic
            && view.loadLittleEndian(16, as: UInt64.self) == salt
            && view.loadLittleEndian(24, as: UInt64.self) == Checksum.xxh3(view.prefix(24))
    }

    /// Whether a file begins as an SSTable does.
    static func hasMagic(_ view: ByteView) -> Bool {
        view.count >= 8 && view.loadLittleEndian(0, as: UInt64.self) == SSTableFormat.headerMagic
    }
}

extension ByteReader {
    /// Reads an offset or size of 8 bytes that must be below 2^62, so that sums don't overflow.
    mutating func readOffset() throws(MalformedBytes) -> Int {
        let value: UInt64 = try readLittleEndian()
        guard value < 1 << 62 else {
            throw MalformedBytes(offset: offset - 8, expected: "an offset below 2^62")
        }
        return Int(value)
    }
}
