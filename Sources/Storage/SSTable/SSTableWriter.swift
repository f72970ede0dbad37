// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment
package import Model

/// How an SSTable is written.
package struct SSTableWriterOptions: Sendable {
    package var codec = Codec.lz4
    /// For codecs that have levels.
    package var compressionLevel = 1
    /// For data blocks, with the codec zstd; stored in the file.
    package var dictionary: TrainedDictionary?
    /// The uncompressed size at which a data block is closed, in bytes: `chunk_length_in_kb`.
    package var blockCount = 16_384
    /// `bloom_filter_fp_chance`; at 1 there is no filter.
    package var filterFalsePositiveChance = 0.01
    /// Names the file among all that ever stood on the volume: the file's number.
    ///
    /// Blocks of another file in its place are told apart by it.
    package var identity: UInt64 = 0
    /// `TableSchema.encode` of the table.
    package var schema: [UInt8] = []
    /// The table whose secondary indexes get their postings in the file; nil for none.
    package var table: TableSchema?
    /// The memory in which postings are sorted, in bytes.
    package var postingMemory = 32 << 20
    package var origin = SSTableOrigin.flush
    package var level = 0
    /// Microseconds since 1970.
    package var createdAt: Int64 = 0
    /// Name and version of the program.
    package var createdBy = "tholos"

    package init() {}
}

/// What `SSTableWriter.finish` made.
package struct SSTableSummary: Sendable {
    package let path: String
    /// The file's size in bytes.
    package let count: Int
    package let statistics: SSTableStatistics
}

/// Writes one SSTable front to back, under a temporary name until it is complete and durable.
///
/// The format stands at `SSTableFormat`, the reader is `SSTableReader`. Used by one thread. After an
/// error of `add` only `abandon` may follow; `finish` cleans up by itself.
package final class SSTableWriter {
    /// What the name of an unfinished file ends in.
    package static let temporarySuffix = ".tmp"
    /// The longest entry, key and value together, in bytes.
    package static let entryCountMax = SSTableFormat.blockCountMax / 2

    private let fileSystem: any FileSystem
    private let path: String
    private let options: SSTableWriterOptions
    /// The postings of the table's indexes; nil when there are none.
    private let postings: PostingCollector?
    // One thread owns all this.
    private var output: BlockOutput
    private var data: BlockBuilder
    private var index: BlockBuilder
    private var top: BlockBuilder
    private var statistics: StatisticsBuilder
    private var hashes: [UInt64] = []
    private var firstKey: [UInt8] = []
    private var lastKey = ByteWriter(capacity: 256)
    private var hasEntries = false
    /// The range deletion that is open after the last entry.
    private var openDeletion: Deletion?
    /// The index entries of the blocks that are being built, and their keys.
    private var dataEntry = IndexEntry.none
    private var indexEntry = IndexEntry.none
    private var dataSeparator = ByteWriter(capacity: 256)
    private var indexSeparator = ByteWriter(capacity: 256)
    private var lastIndexKey = ByteWriter(capacity: 256)
    private var scratch = ByteWriter(capacity: 64)
    /// `ColumnRanges` of each index block.
    private var rangeSets = ByteWriter(capacity: 64)
    private var dataBlockCount = 0
    private var indexBlockCount = 0
    private var uncompressedCount = 0
    private var storedCount = 0
    private var isDone = false

    /// Creates the file `path` + `temporarySuffix`; `finish` renames it to `path`.
    package init(
        fileSystem: any FileSystem,
        path: String,
        options: SSTableWriterOptions
    ) throws(StorageError) {
        invariant(options.blockCount > 0, "a block size above 0")
        invariant(options.dictionary == nil || options.codec == .zstd, "dictionaries are for zstd")
        self.fileSystem = fileSystem
        self.path = path
        self.options = options
        postings = options.table.flatMap {
            PostingCollector(
                $0,
                fileSystem: fileSystem,
                path: path,
                sortMemory: options.postingMemory
            )
        }
        data = BlockBuilder(
            restartInterval: SSTableFormat.dataRestartInterval,
            capacity: options.blockCount * 2
        )
        index = BlockBuilder(
            restartInterval: SSTableFormat.indexRestartInterval,
            capacity: SSTableFormat.indexBlockCount * 2
        )
        top = BlockBuilder(restartInterval: 1, capacity: 1024)
        statistics = StatisticsBuilder(schema: options.schema)
        output = try BlockOutput(
            fileSystem: fileSystem,
            path: path + SSTableWriter.temporarySuffix,
            salt: SSTableFormat.salt(identity: options.identity)
        )
    }

    /// How many bytes the file has so far, the blocks that are being built included: for a caller that
    /// ends files at a size.
    package var estimatedCount: Int { output.offset + data.count }

    /// How many entries were added.
    package var entryCount: Int { statistics.statistics.entryCount }

    /// Adds an entry; keys come strictly ascending.
    ///
    /// - Throws: `.file` when the disk refuses; `.corruption` when `value` is not what its header says.
    package func add(key: ByteView, value: ByteView) throws(StorageError) {
        let last = lastKey.view
        let shared = last.commonPrefixCount(key)
        invariant(!isDone, "an entry after the end of an SSTable")
        invariant(
            !hasEntries
                || (shared < key.count && (shared == last.count || last[shared] < key[shared])),
            "keys of an SSTable must ascend"
        )
        let count = key.count + value.count
        invariant(count <= SSTableWriter.entryCountMax, "an entry of \(count) bytes is too large")
        if !data.isEmpty, count >= options.blockCount { try cutDataBlock() }
        if shared < statistics.currentPartitionLength || !hasEntries { beginPartition(key) }
        let facts: EntryFacts
        do throws(MalformedBytes) {
            facts = try statistics.add(key: key, value: value)
            if data.isEmpty { beginDataBlock(key, shared) }
            if facts.kind == .marker { openDeletion = try RangeMarker(value).after }
        } catch {
            throw malformedEntry(key, error)
        }
        if let postings, facts.kind == .row || facts.kind == .staticRow {
            try postings.add(
                key: key,
                partitionLength: statistics.currentPartitionLength,
                value: value
            )
        }
        dataEntry.add(facts)
        data.append(key: key, shared: shared, value: value)
        lastKey.truncate(to: shared)
        lastKey.append(ByteView(key.base + shared, count: key.count - shared))
        hasEntries = true
        if data.count >= options.blockCount { try cutDataBlock() }
    }

    private func beginPartition(_ key: ByteView) {
        if hasEntries {
            statistics.endPartition(lastKey: lastKey.view)
        } else {
            firstKey = key.array
        }
        statistics.beginPartition(key)
        invariant(openDeletion == nil, "a range deletion must end in its partition")
        if options.filterFalsePositiveChance < 1 {
            let partition = key.prefix(statistics.currentPartitionLength)
            hashes.append(PartitionFilter.hash(partition: partition))
        }
    }

    private func beginDataBlock(_ key: ByteView, _ shared: Int) {
        dataEntry = IndexEntry.none
        dataEntry.openDeletion = openDeletion
        dataSeparator.removeAll()
        dataSeparator.append(key.prefix(min(shared + 1, key.count)))
    }

    @inline(never)
    private func malformedEntry(_ key: ByteView, _ error: MalformedBytes) -> StorageError {
        .corruption(
            CorruptionError(
                path: path,
                offset: output.offset,
                expected: error.expected,
                found: "something else at byte \(error.offset) of an entry that was to be written",
                keys: KeySpan(first: key.array, last: key.array)
            )
        )
    }

    // MARK: Blocks

    private func cutDataBlock() throws(StorageError) {
        let content = data.finish()
        dataEntry.handle = try output.store(
            content,
            codec: options.codec,
            level: options.compressionLevel,
            dictionary: options.dictionary?.dictionary
        )
        dataBlockCount += 1
        statistics.endBlock(dataEntry)
        uncompressedCount += content.count
        storedCount += dataEntry.handle.storedCount
        data.removeAll()

        if index.isEmpty {
            indexEntry = IndexEntry.none
            indexSeparator.removeAll()
            indexSeparator.append(dataSeparator.view)
            lastIndexKey.removeAll()
        }
        scratch.removeAll()
        dataEntry.append(to: &scratch)
        let shared = lastIndexKey.view.commonPrefixCount(dataSeparator.view)
        index.append(key: dataSeparator.view, shared: shared, value: scratch.view)
        indexEntry.add(dataEntry)
        lastIndexKey.removeAll()
        lastIndexKey.append(dataSeparator.view)
        if index.count >= SSTableFormat.indexBlockCount { try cutIndexBlock() }
    }

    private func cutIndexBlock() throws(StorageError) {
        indexEntry.handle = try output.store(
            index.finish(),
            codec: options.codec,
            level: options.compressionLevel
        )
        indexBlockCount += 1
        index.removeAll()
        if statistics.gathersRanges {
            scratch.removeAll()
            statistics.endIndexBlock().append(to: &scratch)
            rangeSets.appendLengthPrefixed(scratch.view)
        }
        scratch.removeAll()
        indexEntry.append(to: &scratch)
        top.append(key: indexSeparator.view, shared: 0, value: scratch.view)
    }

    // MARK: The end

    /// Completes the file, makes it durable and gives it its name.
    ///
    /// On an error nothing stands under the name, and the temporary file is removed if that works.
    package func finish() throws(StorageError) -> SSTableSummary {
        invariant(!isDone, "an SSTable is finished once")
        isDone = true
        do throws(StorageError) {
            return try publish()
        } catch {
            output.close()
            postings?.discard()
            // What remains of the file is also removed when the engine starts; errors don't matter here.
            try? fileSystem.remove(path + SSTableWriter.temporarySuffix)
            throw error
        }
    }

    private func publish() throws(StorageError) -> SSTableSummary {
        invariant(openDeletion == nil, "a range deletion must end in its partition")
        if !data.isEmpty { try cutDataBlock() }
        if !index.isEmpty { try cutIndexBlock() }
        if hasEntries { statistics.endPartition(lastKey: lastKey.view) }
        let result = try writeSections()
        try output.synchronize()
        let temporary = path + SSTableWriter.temporarySuffix
        do throws(FileError) {
            try fileSystem.rename(temporary, to: path)
        } catch {
            throw .file(error)
        }
        do throws(FileError) {
            try fileSystem.syncDirectory(FilePath.parent(of: path) ?? ".")
        } catch {
            // Whether the name is durable isn't known, so the file must not be used under it.
            try? fileSystem.remove(path)
            throw .file(error)
        }
        return SSTableSummary(path: path, count: output.offset, statistics: result)
    }

    private func writeSections() throws(StorageError) -> SSTableStatistics {
        let regionStart = SSTableFormat.headerCount
        var sections = [
            Section(.region, offset: regionStart, count: output.offset - regionStart)
        ]
        if let postings {
            sections += try postings.write(
                to: &output,
                codec: options.codec,
                level: options.compressionLevel
            )
        }
        var result = statistics.finished(firstKey: firstKey, lastKey: lastKey.array)
        result.regionCount = sections[0].count
        result.dataBlockCount = dataBlockCount
        result.indexBlockCount = indexBlockCount
        result.uncompressedCount = uncompressedCount
        result.storedCount = storedCount
        result.codec = options.codec
        result.blockCount = options.blockCount
        result.filterFalsePositiveChance = options.filterFalsePositiveChance
        result.origin = options.origin
        result.level = options.level
        result.createdAt = options.createdAt
        result.createdBy = options.createdBy
        result.identity = options.identity
        if !hashes.isEmpty {
            let shape = FilterShape(
                keyCount: hashes.count,
                falsePositiveChance: options.filterFalsePositiveChance
            )
            result.filterProbeCount = shape.probeCount
            sections.append(try writeFilter(PartitionFilter.build(hashes, shape: shape)))
        }
        if statistics.gathersRanges {
            let handle = try output.store(rangeSets.view, codec: options.codec, level: 1)
            sections.append(Section(.columnRanges, at: handle, required: false))
        }
        if let dictionary = options.dictionary {
            result.dictionarySampleCount = dictionary.sampleCount
            let bytes = dictionary.dictionary.bytes
            let handle = try bytes.withView { (view) throws(StorageError) in
                try output.store(view, codec: .zstd, level: 3)
            }
            sections.append(Section(.dictionary, at: handle))
        }
        let schema = try options.schema.withView { (view) throws(StorageError) in
            try output.store(view, codec: .none, level: 0)
        }
        sections.append(Section(.schema, at: schema))
        scratch.removeAll()
        result.encode(to: &scratch)
        let statistics = try output.store(scratch.view, codec: .none, level: 0)
        sections.append(Section(.statistics, at: statistics))
        let topIndex = try output.store(top.finish(), codec: options.codec, level: 1)
        sections.append(Section(.topIndex, at: topIndex))
        try writeDirectory(sections)
        return result
    }

    private func writeFilter(_ filter: Block) throws(StorageError) -> Section {
        let start = output.offset
        let page = SSTableFormat.filterPageCount
        var offset = 0
        while offset < filter.count {
            let end = min(offset + page, filter.count)
            _ = try output.store(filter.view[offset..<end], codec: .none, level: 0)
            offset = end
        }
        return Section(
            .filter,
            offset: start,
            count: output.offset - start,
            required: false,
            pageCount: page
        )
    }

    private func writeDirectory(_ sections: [Section]) throws(StorageError) {
        scratch.removeAll()
        for section in sections { section.append(to: &scratch) }
        let directory = try output.store(scratch.view, codec: .none, level: 0)
        let footer = Footer(
            directory: directory,
            salt: SSTableFormat.salt(identity: options.identity),
            fileCount: directory.end + SSTableFormat.footerCount
        )
        scratch.removeAll()
        footer.append(to: &scratch, offset: directory.end)
        try output.append(scratch.view)
    }

    /// Gives up: closes and removes the temporary file.
    ///
    /// Errors of that don't matter, since the engine also removes such files when it starts.
    package func abandon() {
        guard !isDone else { return }
        isDone = true
        output.close()
        postings?.discard()
        try? fileSystem.remove(path + SSTableWriter.temporarySuffix)
    }
}

extension IndexEntry {
    /// The entry of a block that has nothing in it yet.
    fileprivate static let none = IndexEntry(handle: BlockHandle(offset: 0, storedCount: 0))
}

extension Section {
    fileprivate init(_ id: SectionID, at handle: BlockHandle, required: Bool = true) {
        self.init(id, offset: handle.offset, count: handle.storedCount, required: required)
    }
}
