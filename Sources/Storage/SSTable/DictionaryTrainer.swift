// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// A dictionary for the blocks of a file, and what it was trained from.
package struct TrainedDictionary: Sendable {
    package let dictionary: ZstdDictionary
    /// Bytes of blocks.
    package let sampleCount: Int

    package init(dictionary: ZstdDictionary, sampleCount: Int) {
        self.dictionary = dictionary
        self.sampleCount = sampleCount
    }
}

/// Trains a dictionary from samples of what is about to be written.
///
/// The samples are blocks, spread evenly, since blocks are what is compressed. A dictionary pays when
/// blocks are small and alike: each then begins with what they have in common already known.
package struct DictionaryTrainer: ~Copyable {
    private let settings: CompressionSettings
    private var samples: ByteWriter
    private var sizes: [Int] = []
    /// The bytes of blocks that the file will have, about.
    private let contentCount: Int

    /// A dictionary is at most this part of the content: it stands in the file itself.
    private static let contentDivisor = 64
    /// Smaller ones aren't worth their training.
    private static let dictionaryCountMin = 4096

    private init(_ settings: CompressionSettings, contentCount: Int) {
        self.settings = settings
        self.contentCount = contentCount
        samples = ByteWriter(
            capacity: min(settings.sampleCount, contentCount) + settings.blockCount
        )
    }

    /// How large the dictionary may be; 0 when there is too little content for one, or none is wanted.
    private var dictionaryCount: Int {
        let count = min(settings.dictionaryCount, contentCount / DictionaryTrainer.contentDivisor)
        return count < DictionaryTrainer.dictionaryCountMin ? 0 : count
    }

    private mutating func add(_ block: ByteView) {
        samples.append(block)
        sizes.append(block.count)
    }

    private func train() -> TrainedDictionary? {
        let dictionary = ZstdDictionary.train(
            samples.view,
            sizes: sizes,
            count: dictionaryCount,
            compressionLevel: settings.compressionLevel
        )
        return dictionary.map { TrainedDictionary(dictionary: $0, sampleCount: samples.count) }
    }

    // MARK: From SSTables

    /// Trains from the blocks of SSTables that are to be merged; nil when the settings want no
    /// dictionary, there is too little, or blocks have nothing in common.
    package static func train(
        from readers: [SSTableReader],
        _ settings: CompressionSettings
    ) -> TrainedDictionary? {
        guard settings.dictionaryCount > 0 else { return nil }
        let total = readers.reduce(0) { $0 + min($1.statistics.uncompressedCount, 1 << 50) }
        var trainer = DictionaryTrainer(settings, contentCount: total)
        guard trainer.dictionaryCount > 0 else { return nil }
        let wanted = min(settings.sampleCount, total)
        for reader in readers {
            let part = Double(min(reader.statistics.uncompressedCount, 1 << 50)) / Double(total)
            trainer.sample(reader, count: Int(Double(wanted) * part))
        }
        return trainer.train()
    }

    /// Takes about `count` bytes of a file's blocks.
    ///
    /// What can't be read is passed over: the merge comes to the same blocks and reports them.
    private mutating func sample(_ reader: SSTableReader, count: Int) {
        let top = BlockCursor()
        let index = BlockCursor()
        let blocks = UncachedBlocks()
        let wanted = max(1, count / max(reader.statistics.blockCount, 1))
        let indexCount = max(1, reader.statistics.indexBlockCount)
        let stride = max(1, indexCount / wanted)
        let wantedEach = max(1, wanted / max(1, indexCount / stride))
        guard top.attach(reader.topIndex), top.seekToFirst() else { return }
        var number = 0
        repeat {
            defer { number += 1 }
            guard number % stride == 0, let entry = try? IndexEntry(top.value),
                let block = try? blocks.block(entry.handle, of: reader), index.attach(block),
                index.seekToFirst()
            else { continue }
            var handles: [BlockHandle] = []
            repeat {
                if let entry = try? IndexEntry(index.value) { handles.append(entry.handle) }
            } while index.next()
            let step = max(1, handles.count / wantedEach)
            for place in Swift.stride(from: step / 2, to: handles.count, by: step) {
                guard samples.count < settings.sampleCount else { return }
                if let block = try? blocks.block(handles[place], of: reader) { add(block.view) }
            }
        } while top.next()
    }

    // MARK: From a memtable

    /// Trains from what a memtable's entries will be as blocks; nil as for SSTables.
    package static func train(
        from memtable: Memtable,
        _ settings: CompressionSettings
    ) -> TrainedDictionary? {
        guard settings.dictionaryCount > 0, memtable.rows.count > 0 else { return nil }
        var trainer = DictionaryTrainer(settings, contentCount: memtable.byteCount)
        guard trainer.dictionaryCount > 0 else { return nil }
        trainer.sample(memtable)
        return trainer.train()
    }

    private mutating func sample(_ memtable: Memtable) {
        let wanted = max(1, settings.sampleCount / settings.blockCount)
        let stride = max(1, memtable.rows.count / wanted)
        var builder = BlockBuilder(
            restartInterval: SSTableFormat.dataRestartInterval,
            capacity: 2 * settings.blockCount
        )
        var last = ByteWriter(capacity: 256)
        var position = 0
        var next = 0
        let cursor = MemtableCursor(memtable)
        cursor.seek(atOrAfter: .empty)
        while cursor.isValid {
            if position >= next {
                let key = cursor.key
                builder.append(
                    key: key,
                    shared: builder.isEmpty ? 0 : last.view.commonPrefixCount(key),
                    value: cursor.value
                )
                last.removeAll()
                last.append(key)
                if builder.count >= settings.blockCount {
                    add(builder.finish())
                    builder.removeAll()
                    next = max(position + 1, next + stride)
                    if samples.count >= settings.sampleCount { return }
                }
            }
            position += 1
            cursor.next()
        }
    }
}
