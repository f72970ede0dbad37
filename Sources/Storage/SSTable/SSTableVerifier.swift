// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
internal import Model

/// What a check of one SSTable found.
package struct SSTableVerification: Sendable {
    package let path: String
    /// What is wrong, in the order of the file; empty for a sound file.
    package fileprivate(set) var problems: [StorageError] = []
    /// Bytes that were read and checked.
    package fileprivate(set) var byteCount = 0
    package fileprivate(set) var blockCount = 0
    package fileprivate(set) var entryCount = 0

    /// Whether nothing is wrong.
    package var isSound: Bool { problems.isEmpty }
}

/// Checks everything that an SSTable says: checksums, the order of keys, that index, filter and
/// statistics agree with the entries, that range deletions end, that no byte is unaccounted for.
///
/// It reads the file front to back in large pieces and needs no server. One use, one thread.
package final class SSTableVerifier {
    private let file: any ReadableFile
    private let reader: SSTableReader
    // One thread owns all this.
    private var report: SSTableVerification
    private var builder: StatisticsBuilder
    /// What the section of column ranges should hold.
    private var rangeSets = ByteWriter(capacity: 64)
    private var blocks = SequentialBlocks(windowCount: 4 << 20)
    private var indexBlocks = UncachedBlocks()
    private let data = BlockCursor()
    private let index = BlockCursor()
    private let top = BlockCursor()
    private var filter: Block?
    private var postings: PostingVerifier?
    private var place = Place.file

    /// Which keys a problem concerns: all, those of an index block or of a data block.
    private enum Place {
        case file, indexBlock, dataBlock
    }

    private var lastKey = ByteWriter(capacity: 256)
    private var firstKey: [UInt8] = []
    private var hasEntries = false
    private var openDeletion: Deletion?
    /// Where the next block should begin.
    private var position = SSTableFormat.headerCount
    private var dataBlockCount = 0
    private var uncompressedCount = 0
    private var storedCount = 0
    private let progress: ((Int) -> Void)?

    /// More problems than these are not listed.
    private static let problemsMax = 100

    /// Checks the file `path`.
    ///
    /// `progress` is told now and then how many bytes are done.
    package static func verify(
        fileSystem: any FileSystem,
        path: String,
        progress: ((Int) -> Void)? = nil
    ) -> SSTableVerification {
        do throws(FileError) {
            return verify(try fileSystem.open(path), progress: progress)
        } catch {
            var report = SSTableVerification(path: path)
            report.problems.append(.file(error))
            return report
        }
    }

    static func verify(
        _ file: any ReadableFile,
        progress: ((Int) -> Void)? = nil
    ) -> SSTableVerification {
        do throws(StorageError) {
            let reader = try SSTableReader.open(file, fileNumber: 0)
            let verifier = SSTableVerifier(file, reader, progress)
            verifier.run()
            return verifier.report
        } catch {
            var report = SSTableVerification(path: file.path)
            report.problems.append(error)
            return report
        }
    }

    private init(_ file: any ReadableFile, _ reader: SSTableReader, _ progress: ((Int) -> Void)?) {
        self.file = file
        self.reader = reader
        self.progress = progress
        // Files of older versions have no ranges.
        builder =
            reader.statistics.columnRanges == nil
            ? StatisticsBuilder() : StatisticsBuilder(schema: reader.schema)
        report = SSTableVerification(path: reader.path)
    }

    private func run() {
        attempt { () throws(StorageError) in
            try checkHeader()
            checkSections()
            filter = try reader.wholeFilter()
            postings = try PostingVerifier(reader)
        }
        attempt { () throws(StorageError) in try checkRegion() }
        place = .file
        // After damage the counts can't agree.
        if report.problems.isEmpty { checkStatistics() }
        // After damage to the rows it isn't known which postings there should be.
        if report.problems.isEmpty, let postings {
            attempt { () throws(StorageError) in report.blockCount += try postings.finish() }
        }
        report.byteCount += reader.count - position
        progress?(report.byteCount)
    }

    // MARK: Around the blocks

    private func checkHeader() throws(StorageError) {
        var header = ByteWriter(capacity: SSTableFormat.headerCount)
        let count = SSTableFormat.headerCount
        try reader.read(at: 0, count: count, into: &header)
        report.byteCount += count
        if !Header.isSound(header.view, salt: reader.salt) {
            note(BlockHandle(offset: 0, storedCount: count), "the header of this file", "another")
        }
    }

    /// Sections must follow each other without gap, since a gap would be covered by no checksum.
    private func checkSections() {
        var end = SSTableFormat.headerCount
        for section in reader.sections.sorted(by: { $0.offset < $1.offset }) {
            if section.offset != end {
                note(section.handle, "a section at offset \(end)", "one at \(section.offset)")
            }
            end = section.handle.end
        }
        if reader.directory.offset != end {
            note(
                reader.directory,
                "the section directory at offset \(end)",
                "it at \(reader.directory.offset)"
            )
        }
    }

    private func checkStatistics() {
        if hasEntries { builder.endPartition(lastKey: lastKey.view) }
        var expected = builder.finished(firstKey: firstKey, lastKey: lastKey.array)
        let stated = reader.statistics
        expected.dataBlockCount = dataBlockCount
        expected.indexBlockCount = report.blockCount - dataBlockCount
        expected.uncompressedCount = uncompressedCount
        expected.storedCount = storedCount
        expected.regionCount = position - SSTableFormat.headerCount
        expected.codec = stated.codec
        expected.dictionarySampleCount = stated.dictionarySampleCount
        expected.blockCount = stated.blockCount
        expected.filterFalsePositiveChance = stated.filterFalsePositiveChance
        expected.filterProbeCount = stated.filterProbeCount
        expected.origin = stated.origin
        expected.level = stated.level
        expected.createdAt = stated.createdAt
        expected.createdBy = stated.createdBy
        expected.identity = stated.identity
        // Files of older versions don't say it.
        if stated.deadEntries == nil { expected.deadEntries = nil }
        if let sets = reader.rangeSets, !sets.view.equals(rangeSets.view) {
            let section = reader.sections.first { $0.id == SectionID.columnRanges.rawValue }
            note(section?.handle ?? reader.directory, "column ranges as in the blocks", "others")
        }
        guard expected != stated else { return }
        let section = reader.sections.first { $0.id == SectionID.statistics.rawValue }
        note(
            section?.handle ?? reader.directory,
            "statistics of \(expected.entryCount) entries as they are in the file",
            "statistics that differ, of \(stated.entryCount) entries"
        )
    }

    // MARK: Blocks

    private func checkRegion() throws(StorageError) {
        guard top.attach(reader.topIndex) else {
            throw reader.corruption(reader.directory, "a top index", "bytes that break the format")
        }
        var hasIndex = top.seekToFirst()
        while hasIndex {
            if report.problems.count >= SSTableVerifier.problemsMax { return }
            try checkIndexBlock()
            hasIndex = top.next()
        }
        place = .file
        let region = reader.sections.first { $0.id == SectionID.region.rawValue }
        if report.problems.isEmpty, position != region?.handle.end {
            note(
                BlockHandle(offset: position, storedCount: 0),
                "a block that the index lists",
                "\((region?.handle.end ?? 0) - position) bytes that it doesn't"
            )
        }
    }

    private func checkIndexBlock() throws(StorageError) {
        place = .indexBlock
        let stated = try entry(top, reader.directory)
        let handle = stated.handle
        // Where the blocks that it lists begin is lost with it.
        var isReadable = false
        attempt { () throws(StorageError) in
            guard index.attach(try indexBlocks.block(handle, of: reader)) else {
                throw reader.corruption(handle, "an index block", "bytes that break the format")
            }
            isReadable = true
        }
        guard isReadable else {
            position = handle.end
            return
        }
        report.blockCount += 1
        var sum = IndexEntry(handle: handle)
        var hasBlock = index.seekToFirst()
        if !hasBlock || !index.key.equals(top.key) {
            note(handle, "an index block that begins at its key in the top index", "another key")
        }
        while hasBlock {
            let listed = try entry(index, handle)
            place = .dataBlock
            attempt { () throws(StorageError) in sum.add(try checkDataBlock(listed)) }
            place = .indexBlock
            if report.problems.count >= SSTableVerifier.problemsMax { return }
            hasBlock = index.next()
        }
        if position != handle.offset {
            note(handle, "an index block after the blocks that it lists", "one elsewhere")
        }
        position = handle.end
        report.byteCount += handle.storedCount
        var ranges = ByteWriter(capacity: 256)
        builder.endIndexBlock().append(to: &ranges)
        rangeSets.appendLengthPrefixed(ranges.view)
        if report.problems.isEmpty, sum != stated {
            note(handle, "sums in the top index that agree with it", "others")
        }
    }

    /// Checks a data block and gives the index entry that it should have.
    private func checkDataBlock(_ listed: IndexEntry) throws(StorageError) -> IndexEntry {
        let handle = listed.handle
        if handle.offset != position {
            note(handle, "a block at offset \(position)", "one at \(handle.offset)")
        }
        position = handle.end
        report.byteCount += handle.storedCount
        report.blockCount += 1
        dataBlockCount += 1
        if dataBlockCount % 256 == 0 { progress?(report.byteCount) }
        let block = try blocks.block(handle, of: reader)
        uncompressedCount += block.count
        storedCount += handle.storedCount
        var actual = IndexEntry(handle: handle)
        // After damage what was open isn't known from the entries.
        if !report.problems.isEmpty { openDeletion = listed.openDeletion }
        actual.openDeletion = openDeletion
        guard data.attach(block), data.seekToFirst() else {
            throw reader.corruption(handle, "a block with entries", "bytes that break the format")
        }
        // The separator lies between the blocks.
        if hasEntries, index.key.compare(lastKey.view) <= 0 || index.key.compare(data.key) > 0 {
            note(handle, "an index key above all before it, not above its first", "another key")
        }
        var restart = 0
        repeat {
            if data.isAtRestart(restart) { restart += 1 }
            actual.add(try checkEntry(handle))
        } while data.next()
        guard !data.isMalformed, restart == data.restartCount else {
            throw reader.corruption(handle, "entries and restart points", "others")
        }
        builder.endBlock(actual)
        if actual != listed {
            note(handle, "an index entry that agrees with the block", "another")
        }
        return actual
    }

    private func checkEntry(_ handle: BlockHandle) throws(StorageError) -> EntryFacts {
        let key = data.key
        let last = lastKey.view
        let shared = last.commonPrefixCount(key)
        let ascends = shared < key.count && (shared == last.count || last[shared] < key[shared])
        guard !hasEntries || ascends else {
            throw reader.corruption(handle, "keys that ascend", "a key that is not above the last")
        }
        if !hasEntries || shared < builder.currentPartitionLength { beginPartition(key, handle) }
        let facts: EntryFacts
        do throws(MalformedBytes) {
            facts = try builder.add(key: key, value: data.value)
            if let postings, facts.kind == .row || facts.kind == .staticRow {
                try postings.add(
                    key: key,
                    partitionLength: builder.currentPartitionLength,
                    value: data.value
                )
            }
            if facts.kind == .marker { followMarker(try RangeMarker(data.value), handle) }
        } catch {
            throw reader.corruption(handle, error.expected, "an entry that is malformed")
        }
        report.entryCount += 1
        lastKey.truncate(to: shared)
        lastKey.append(key.dropFirst(shared))
        hasEntries = true
        return facts
    }

    private func beginPartition(_ key: ByteView, _ handle: BlockHandle) {
        if hasEntries {
            builder.endPartition(lastKey: lastKey.view)
        } else {
            firstKey = key.array
        }
        if openDeletion != nil {
            note(handle, "range deletions that end in their partition", "one that stays open")
            openDeletion = nil
        }
        builder.beginPartition(key)
        guard let filter, let shape = reader.filterShape else { return }
        let partition = key.prefix(builder.currentPartitionLength)
        let hash = PartitionFilter.hash(partition: partition)
        let line = filter.view.base + shape.line(of: hash) * FilterShape.lineBytes
        if !PartitionFilter.contains(hash, in: line, probes: shape.probeCount) {
            note(handle, "a filter that has each partition", "one that lacks a partition")
        }
    }

    private func followMarker(_ marker: RangeMarker, _ handle: BlockHandle) {
        if marker.before != openDeletion {
            note(handle, "range-deletion markers that follow from each other", "others")
        }
        openDeletion = marker.after
    }

    // MARK: Problems

    private func attempt(_ body: () throws(StorageError) -> Void) {
        do throws(StorageError) {
            try body()
        } catch {
            report.problems.append(annotated(error))
        }
    }

    private func entry(
        _ cursor: BlockCursor,
        _ handle: BlockHandle
    ) throws(StorageError) -> IndexEntry {
        do throws(MalformedBytes) {
            return try IndexEntry(cursor.value)
        } catch {
            throw reader.corruption(handle, "an index entry with \(error.expected)", "another")
        }
    }

    private func note(_ handle: BlockHandle, _ expected: String, _ found: String) {
        guard report.problems.count < SSTableVerifier.problemsMax else { return }
        report.problems.append(annotated(reader.corruption(handle, expected, found)))
    }

    /// Adds the keys that the block at which the check is may hold.
    private func annotated(_ error: StorageError) -> StorageError {
        guard case .corruption(let corruption) = error, corruption.keys == nil else { return error }
        switch place {
        case .file: return error
        case .indexBlock: return .corruption(corruption.with(keys: span(from: top)))
        case .dataBlock: return .corruption(corruption.with(keys: span(from: index)))
        }
    }

    private func span(from cursor: BlockCursor) -> KeySpan {
        let last = cursor.keyOfNext() ?? top.keyOfNext() ?? reader.statistics.lastKey
        return KeySpan(first: cursor.key.array, last: last)
    }
}
