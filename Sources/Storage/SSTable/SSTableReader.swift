// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment
package import Model

/// An open SSTable: its top index, filter and statistics in memory, its blocks on disk.
///
/// Immutable, so any thread may use it. Entries are reached through an `SSTableCursor`. The format
/// stands at `SSTableFormat`, the writer is `SSTableWriter`.
package final class SSTableReader: Sendable {
    package let path: String
    /// The number by which caches know the file.
    package let fileNumber: UInt64
    /// The file's size in bytes.
    package let count: Int
    package let statistics: SSTableStatistics
    /// `TableSchema.encode` of the table when the file was written.
    package let schema: [UInt8]
    /// The format's version in the file.
    package let version: (major: UInt16, minor: UInt16)
    /// The filter's shape; nil without a filter.
    package let filterShape: FilterShape?

    /// Where damage of the file is noted, by the node that has it.
    let quarantine: Quarantine?

    let file: any ReadableFile
    let salt: UInt64
    let sections: [Section]
    let topIndex: Block
    let footerOffset: Int
    let directory: BlockHandle
    /// The whole filter when it is small enough to be kept; else its pages are read when needed.
    let residentFilter: Block?
    let filterSection: Section?
    /// What data blocks were compressed with.
    package let dictionary: ZstdDictionary?
    /// The postings of secondary indexes in the file; nil without any.
    package let indexes: AttachedIndexes?
    /// `ColumnRanges` of each index block, with its length; nil when they weren't recorded.
    let rangeSets: Block?

    init(_ parts: SSTableParts, fileNumber: UInt64, quarantine: Quarantine? = nil) {
        self.quarantine = quarantine
        path = parts.file.path
        self.fileNumber = fileNumber
        count = parts.file.size
        statistics = parts.statistics
        schema = parts.schema
        version = (parts.footer.major, parts.footer.minor)
        filterShape = parts.filterShape
        file = parts.file
        salt = parts.footer.salt
        sections = parts.sections
        topIndex = parts.topIndex
        footerOffset = parts.file.size - SSTableFormat.footerCount
        directory = parts.footer.directory
        residentFilter = parts.filter
        filterSection = parts.filterSection
        dictionary = parts.dictionary
        indexes = parts.indexes
        rangeSets = parts.rangeSets
    }

    /// Opens the file `path`: reads what stands at its end.
    ///
    /// - Parameters:
    ///   - fileNumber: names the file in caches; must differ between files that share one.
    ///   - quarantine: takes note of damage. A damaged filter is then done without.
    /// - Throws: `.corruption` when it isn't an SSTable or is damaged; `.unsupported` when it was
    ///   written in a newer format; `.file` when it can't be read.
    package static func open(
        fileSystem: any FileSystem,
        path: String,
        fileNumber: UInt64 = 0,
        quarantine: Quarantine? = nil
    ) throws(StorageError) -> SSTableReader {
        let file: any ReadableFile
        do throws(FileError) {
            file = try fileSystem.open(path)
        } catch {
            throw .file(error)
        }
        return try open(file, fileNumber: fileNumber, quarantine: quarantine)
    }

    /// Opens a file of any kind.
    static func open(
        _ file: any ReadableFile,
        fileNumber: UInt64,
        quarantine: Quarantine? = nil
    ) throws(StorageError) -> SSTableReader {
        var opener = try SSTableOpener(file)
        let parts = try opener.readParts(needsFilter: quarantine == nil)
        if let damage = parts.filterDamage { quarantine?.note(damage, fileNumber: fileNumber, isDerived: true) }
        return SSTableReader(parts, fileNumber: fileNumber, quarantine: quarantine)
    }

    /// The tokens of a file that can't be opened, if at least its statistics can be read.
    package static func tokens(fileSystem: any FileSystem, path: String) -> TokenRange? {
        do {
            var opener = try SSTableOpener(try fileSystem.open(path))
            return try opener.readTokens()
        } catch {
            return nil
        }
    }

    /// The memory that the reader holds, in bytes.
    package var memoryCount: Int { memory.count }

    /// The memory that the reader holds, by what it is for.
    package var memory: SSTableMemory {
        SSTableMemory(parts: [
            ("index", topIndex.memoryCount), ("filter", residentFilter?.memoryCount ?? 0),
            ("dictionary", dictionary?.memoryCount ?? 0),
            ("postings", indexes?.top.memoryCount ?? 0),
            ("ranges", rangeSets?.memoryCount ?? 0), ("schema", schema.count),
            // Statistics, and what the parts hang on.
            ("rest", 4096),
        ])
    }

    /// Where the filter begins in the file; nil without a filter.
    package var filterOffset: Int? { filterSection?.offset }

    /// Whether there are no entries.
    package var isEmpty: Bool { statistics.entryCount == 0 }

    // MARK: Pruning

    /// Whether the file may hold entries of the partition with this `PartitionFilter.hash`; false
    /// is certain.
    ///
    /// `source` reads a page of a filter that is too large for memory.
    package func mayContain(
        _ hash: UInt64,
        through source: any BlockSource
    ) throws(StorageError) -> Bool {
        guard let shape = filterShape, let section = filterSection else { return !isEmpty }
        let line = shape.line(of: hash)
        if let filter = residentFilter {
            let place = filter.view.base + line * FilterShape.lineBytes
            return PartitionFilter.contains(hash, in: place, probes: shape.probeCount)
        }
        let handle = FilterPages.page(of: line, in: section)
        let offset = line * FilterShape.lineBytes % Int(section.pageCount)
        let page: Block
        do throws(StorageError) {
            page = try source.block(handle, of: self, readingAt: offset)
        } catch {
            // Without the filter any file may have any partition.
            guard quarantine != nil, error != .wouldBlock else { throw error }
            _ = unusable(handle, error, keys: nil, isDerived: true)
            return true
        }
        guard offset + FilterShape.lineBytes <= page.count else {
            throw corruption(section.handle, "a filter page", "a shorter one")
        }
        let place = page.view.base + offset
        return PartitionFilter.contains(hash, in: place, probes: shape.probeCount)
    }

    /// Whether the file may hold entries with this partition part: `mayContain` of its hash.
    package func mayContain(
        partition: ByteView,
        through source: any BlockSource
    ) throws(StorageError) -> Bool {
        try mayContain(PartitionFilter.hash(partition: partition), through: source)
    }

    /// The filter, also one that isn't kept in memory; nil without a filter.
    func wholeFilter() throws(StorageError) -> Block? {
        guard residentFilter == nil, let section = filterSection, let shape = filterShape else {
            return residentFilter
        }
        return try FilterPages.read(section, shape, of: file, salt: salt)
    }

    /// Whether rows or range deletions may be in [lower, upper), which lies within the partition's rows:
    /// none outside of the least and greatest clustering of the file. Static rows and partition deletions
    /// are another matter.
    func mayHold(lower: ByteView, upper: ByteView, partitionLength: Int) -> Bool {
        let start = partitionLength + 1
        guard lower.count >= start, lower[partitionLength] == Key.clustered else { return true }
        let isPastLast = statistics.maxClustering.withView {
            lower.dropFirst(start).compare($0) > 0
        }
        if isPastLast { return false }
        guard upper.count >= start, upper[partitionLength] == Key.clustered else { return true }
        return statistics.minClustering.withView { upper.dropFirst(start).compare($0) > 0 }
    }

    /// As above, for one row by its whole key.
    func mayHold(row key: ByteView, partitionLength: Int) -> Bool {
        let clustering = key.dropFirst(partitionLength + 1)
        return statistics.minClustering.withView { clustering.compare($0) >= 0 }
            && statistics.maxClustering.withView { clustering.compare($0) <= 0 }
    }

    // MARK: Reading

    /// Whether a handle lies within the file's blocks.
    func contains(_ handle: BlockHandle) -> Bool {
        handle.offset >= SSTableFormat.headerCount
            && handle.storedCount >= SSTableFormat.trailerCount && handle.end <= footerOffset
    }

    /// Reads, checks and decompresses a block.
    ///
    /// `scratch` is memory for the stored bytes.
    package func readBlock(
        _ handle: BlockHandle,
        scratch: inout ByteWriter
    ) throws(StorageError) -> Block {
        guard contains(handle) else {
            throw corruption(handle, "a block within the file", "a place outside of it")
        }
        scratch.removeAll()
        try read(at: handle.offset, count: handle.storedCount, into: &scratch)
        return try decode(scratch.view, at: handle.offset)
    }

    /// As `readBlock`, but only if the system has the block in memory; else nil.
    func readBlockIfCached(
        _ handle: BlockHandle,
        scratch: inout ByteWriter
    ) throws(StorageError) -> Block? {
        guard contains(handle) else { return try readBlock(handle, scratch: &scratch) }
        scratch.removeAll()
        let isCached = try StoredBlock.readIfCached(
            file,
            at: handle.offset,
            count: handle.storedCount,
            into: &scratch
        )
        return isCached ? try decode(scratch.view, at: handle.offset) : nil
    }

    /// Appends exactly `count` bytes of the file to `writer`.
    func read(at offset: Int, count: Int, into writer: inout ByteWriter) throws(StorageError) {
        try StoredBlock.read(file, at: offset, count: count, into: &writer)
    }

    /// Checks and decompresses the stored block `view` that stands at `offset` of the file.
    func decode(_ view: ByteView, at offset: Int) throws(StorageError) -> Block {
        try StoredBlock.decode(view, at: offset, salt: salt, dictionary: dictionary, path: path)
    }

    /// Takes note that a block can't be used, since it is damaged or the disk doesn't give it.
    ///
    /// - Returns: what to tell whoever needs it.
    func unusable(
        _ handle: BlockHandle,
        _ error: StorageError,
        keys: KeySpan?,
        isDerived: Bool = false
    ) -> StorageError {
        var corruption: CorruptionError
        switch error {
        case .corruption(let found): corruption = found
        case .file(let found) where quarantine != nil:
            corruption = CorruptionError(
                path: path,
                offset: handle.offset,
                length: handle.storedCount,
                expected: "a block that can be read",
                found: "\"\(found)\"",
                advice: "see to the disk; " + CorruptionError.restoreAdvice
            )
        default: return error
        }
        if let keys { corruption = corruption.with(keys: keys) }
        quarantine?.note(corruption, fileNumber: fileNumber, isDerived: isDerived)
        return .corruption(corruption)
    }

    func corruption(_ handle: BlockHandle, _ expected: String, _ found: String) -> StorageError {
        .corruption(
            CorruptionError(
                path: path,
                offset: handle.offset,
                length: handle.storedCount,
                expected: expected,
                found: found
            )
        )
    }
}

/// The memory that an open SSTable takes.
package struct SSTableMemory: Sendable {
    package let parts: [(name: String, count: Int)]

    package var count: Int { parts.reduce(0) { $0 + $1.count } }
}
