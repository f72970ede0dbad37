// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
internal import Model

/// Reads what can be read of a damaged SSTable, writes it as a sound one, and says what was lost.
///
/// Each block is by itself: those of the index that can be read lead to theirs, and where the index is
/// damaged the blocks are looked for (`BlockScanner`). One use, one thread; no server runs on the file.
package final class SSTableSalvager {
    private let parts: SalvageParts
    private var report: SSTableSalvage
    private var output: SalvageOutput
    private let cursor = BlockCursor()
    private var checker = StatisticsBuilder()
    /// The run that is being lost; nil while blocks can be read.
    private var lost: Lost?

    private struct Lost {
        var place: Range<Int>
        var separator: [UInt8]?
        var entryCount: Int?
        var before: [UInt8]
    }

    /// Salvages the file `path`.
    ///
    /// - Parameters:
    ///   - output: the new file; nil for a trial that writes nothing.
    ///   - identity: names the new file; no other file has the number.
    package static func salvage(
        fileSystem: any FileSystem,
        path: String,
        to output: String?,
        identity: UInt64
    ) -> SSTableSalvage {
        var report = SSTableSalvage(path: path)
        do throws(StorageError) {
            let file: any ReadableFile
            do throws(FileError) {
                file = try fileSystem.open(path)
            } catch {
                throw .file(error)
            }
            report.byteCount = file.size
            let parts = try SalvageParts(file)
            report.problems = parts.problems
            report.stated = parts.statistics
            report.schema = parts.schema ?? []
            let writer = try output.map { (path) throws(StorageError) in
                try SSTableWriter(
                    fileSystem: fileSystem,
                    path: path,
                    options: options(parts, identity)
                )
            }
            let salvager = SSTableSalvager(parts, report, writer)
            do throws(StorageError) {
                try salvager.run()
            } catch {
                writer?.abandon()
                throw error
            }
            report = salvager.report
            report.output = try writer?.finish()
        } catch {
            report.failure = error
        }
        return report
    }

    /// The new file is written as the old one was.
    private static func options(_ parts: SalvageParts, _ identity: UInt64) -> SSTableWriterOptions {
        var options = SSTableWriterOptions()
        options.identity = identity
        options.schema = parts.schema ?? []
        options.createdBy = "tholos sstable salvage"
        if let statistics = parts.statistics {
            options.codec = statistics.codec
            options.blockCount = min(max(statistics.blockCount, 1), SSTableWriter.entryCountMax)
            options.filterFalsePositiveChance = statistics.filterFalsePositiveChance
            options.origin = statistics.origin
            options.level = statistics.level
            options.createdAt = statistics.createdAt
            if options.codec == .zstd, let dictionary = parts.dictionary {
                let writing = dictionary.bytes.withView { ZstdDictionary($0, compressionLevel: 3) }
                options.dictionary = writing.map {
                    TrainedDictionary(
                        dictionary: $0,
                        sampleCount: statistics.dictionarySampleCount
                    )
                }
            }
        }
        return options
    }

    private init(_ parts: SalvageParts, _ report: SSTableSalvage, _ writer: SSTableWriter?) {
        self.parts = parts
        self.report = report
        output = SalvageOutput(writer)
    }

    private func run() throws(StorageError) {
        try readRegion()
        try endLost(before: nil, separator: nil)
        try output.finish()
        report.entryCount = output.entryCount
        report.partitionCount = output.partitionCount
        report.rowCount = output.rowCount
    }

    // MARK: The region, in order

    private func readRegion() throws(StorageError) {
        var position = parts.region.lowerBound
        let top = BlockCursor()
        if let block = parts.topIndex, top.attach(block) {
            var hasIndex = top.seekToFirst()
            while hasIndex {
                if let entry = try? IndexEntry(top.value), entry.handle.offset >= position,
                    entry.handle.end <= parts.region.upperBound
                {
                    try readIndexBlock(entry.handle, from: &position)
                }
                hasIndex = top.next()
            }
        }
        try scan(position..<parts.region.upperBound)
    }

    /// Reads the blocks from `position` to an index block, by what that lists if it can be read.
    private func readIndexBlock(
        _ handle: BlockHandle,
        from position: inout Int
    ) throws(StorageError) {
        let index = BlockCursor()
        do throws(StorageError) {
            let block = try parts.block(handle)
            guard index.attach(block) else { throw malformed(handle, "an index block") }
            var hasBlock = index.seekToFirst()
            while hasBlock {
                if let entry = try? IndexEntry(index.value), entry.handle.offset >= position,
                    entry.handle.end <= handle.offset
                {
                    try scan(position..<entry.handle.offset)
                    try read(entry, separator: index.key.array)
                    position = entry.handle.end
                }
                hasBlock = index.next()
            }
        } catch .corruption(let error) where error.offset == handle.offset {
            report.problems.append(.corruption(error))
        }
        try scan(position..<handle.offset)
        position = handle.end
    }

    private func malformed(_ handle: BlockHandle, _ expected: String) -> StorageError {
        .corruption(
            CorruptionError(
                path: report.path,
                offset: handle.offset,
                length: handle.storedCount,
                expected: expected,
                found: "bytes that break the format"
            )
        )
    }

    /// Reads a data block that the index lists.
    private func read(_ entry: IndexEntry, separator: [UInt8]) throws(StorageError) {
        let handle = entry.handle
        do throws(StorageError) {
            let block = try parts.block(handle)
            guard isData(block) else { throw malformed(handle, "a data block in order") }
            let piece = SalvagePiece(place: handle.place, block: block, listed: (separator, entry))
            return try take(piece)
        } catch .corruption(let error) where error.offset == handle.offset {
            report.problems.append(.corruption(error))
        }
        try take(SalvagePiece(place: handle.place, block: nil, listed: (separator, entry)))
    }

    /// Looks for blocks where the index doesn't say where they are.
    private func scan(_ range: Range<Int>) throws(StorageError) {
        guard !range.isEmpty else { return }
        for piece in BlockScanner(file: parts.file, salt: parts.salt).scan(range) {
            switch piece {
            case .lost(let place): try take(.lost(place))
            case .block(let handle):
                // Checksums are true, so this fails only without the file's dictionary.
                guard let block = try? parts.block(handle) else {
                    try take(.lost(handle.place))
                    continue
                }
                if isData(block) {
                    try take(.block(handle, block))
                } else if !isIndex(block, before: handle.offset) {
                    try take(.lost(handle.place))
                }
            }
        }
    }

    /// Whether a block is an index block that lists what stands before it.
    private func isIndex(_ block: Block, before offset: Int) -> Bool {
        guard cursor.attach(block), cursor.seekToFirst() else { return false }
        repeat {
            guard let entry = try? IndexEntry(cursor.value), entry.handle.end <= offset else {
                return false
            }
        } while cursor.next()
        return !cursor.isMalformed
    }

    /// Whether a block has entries and all of them are well-formed, in order and above what came before.
    private func isData(_ block: Block) -> Bool {
        guard cursor.attach(block), cursor.seekToFirst() else { return false }
        var last = output.lastKey
        repeat {
            let key = cursor.key
            let isAbove = last.isEmpty || last.withView { key.compare($0) > 0 }
            guard isAbove, Key.partitionLength(of: key) < key.count, cursor.value.count > 0 else {
                return false
            }
            checker.beginPartition(key)
            guard (try? checker.add(key: key, value: cursor.value)) != nil else { return false }
            last = key.array
        } while cursor.next()
        return !cursor.isMalformed
    }

    // MARK: Pieces

    private func take(_ piece: SalvagePiece) throws(StorageError) {
        guard let block = piece.block else { return try lose(piece) }
        guard cursor.attach(block), cursor.seekToFirst() else { return }
        if lost != nil {
            let separator = piece.listed?.separator
            let open = piece.listed.map(\.entry.openDeletion) ?? openDeletion()
            try endLost(before: cursor.key.array, separator: separator)
            guard cursor.seekToFirst() else { return }
            try output.resume(at: cursor.key, open: open)
        }
        report.blockCount += 1
        repeat {
            try output.add(key: cursor.key, value: cursor.value)
        } while cursor.next()
    }

    /// What is open at the beginning of the block at the cursor, as its first marker says; nil when it
    /// has none.
    private func openDeletion() -> Deletion? {
        let partition = Key.partition(of: cursor.key).array
        repeat {
            guard partition.withView({ cursor.key.hasPrefix($0) }) else { return nil }
            if let marker = try? RangeMarker(cursor.value) { return marker.before }
        } while cursor.next()
        return nil
    }

    private func lose(_ piece: SalvagePiece) throws(StorageError) {
        let entryCount = piece.listed?.entry.entryCount
        guard var run = lost else {
            lost = Lost(
                place: piece.place,
                separator: piece.listed?.separator,
                entryCount: entryCount,
                before: output.lastKey
            )
            return try output.breakOff()
        }
        run.place = run.place.lowerBound..<piece.place.upperBound
        run.entryCount = run.entryCount.flatMap { count in entryCount.map { count + $0 } }
        lost = run
    }

    /// Ends the run that is being lost before the entry with the key `next`; nil at the end.
    private func endLost(before next: [UInt8]?, separator: [UInt8]?) throws(StorageError) {
        guard let run = lost else { return }
        lost = nil
        var edges: [LostRun.Edge] = []
        if !run.before.isEmpty {
            let partition = run.before.withView { Key.partition(of: $0).array }
            edges += edge(partition, run.separator)
        }
        if let next {
            let partition = next.withView { Key.partition(of: $0).array }
            if edges.first?.partition != partition { edges += edge(partition, separator) }
        }
        report.lost.append(
            LostRun(
                offset: run.place.lowerBound,
                length: run.place.count,
                keys: KeySpan(
                    first: run.separator ?? run.before,
                    last: separator ?? next ?? []
                ),
                entryCount: run.entryCount,
                edges: edges
            )
        )
    }

    /// The partition at an end of a lost run, if some of it is lost: certainly so if the separator there
    /// has the whole of its key, certainly not if it has less.
    private func edge(_ partition: [UInt8], _ separator: [UInt8]?) -> [LostRun.Edge] {
        guard let separator else { return [LostRun.Edge(partition: partition, isCertain: false)] }
        guard separator.starts(with: partition) else { return [] }
        return [LostRun.Edge(partition: partition, isCertain: true)]
    }
}
