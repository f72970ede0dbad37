// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// Files in quarantine: what couldn't be read once may be readable later, if it was the disk's mood.
extension ShardStore {
    /// Looks again, after a while, at the places of a table's files that were found damaged, and lets
    /// compactions have those files whose places can all be read; and tries to open the files that couldn't be
    /// opened. Costs a block for each file that is still damaged.
    func retryDamaged(_ table: TableStore) {
        let isAnyDamaged = !table.unreadable.isEmpty
            || table.sstables.contains { files.quarantine.holds(file: $0.number) }
        guard !isClosed, !table.isDamageTimed, isAnyDamaged else { return }
        table.isDamageTimed = true
        let seconds = min(60, 1 << min(table.damageRetries, 6))
        table.damageRetries += 1
        executor.schedule(after: UInt64(seconds) * 1_000_000_000) { [self] in lookAtDamaged(table) }
    }

    private func lookAtDamaged(_ table: TableStore) {
        guard !isClosed else { return }
        let quarantine = files.quarantine
        let held = table.sstables.filter { quarantine.holds(file: $0.number) }
        let unreadable = table.unreadable
        backgroundJobs += 1
        environment.reading.execute { [self] in
            let mended = held.filter { $0.reader.isMended(quarantine.damages(of: $0.number)) }.map(\.number)
            var opened: [(file: UnreadableSSTable, reader: SSTableReader)] = []
            for file in unreadable { if let reader = open(file) { opened.append((file, reader)) } }
            for number in mended + opened.map(\.file.number) { quarantine.release(file: number) }
            executor.execute { [self, opened] in
                table.isDamageTimed = false
                if self.table(storageID: table.schema.storageID) === table {
                    for (file, reader) in opened {
                        let sstable = LiveSSTable(
                            number: file.number,
                            reader: reader,
                            live: file.ranges,
                            of: tokenRanges
                        )
                        table.open(file.number, as: sstable)
                    }
                    mended.isEmpty && opened.isEmpty ? retryDamaged(table) : startCompaction(table)
                }
                finishBackgroundJob()
            }
        }
    }

    private func open(_ file: UnreadableSSTable) -> SSTableReader? {
        // What is wrong with it is known already.
        try? SSTableReader.open(
            fileSystem: environment.fileSystem,
            path: file.path,
            fileNumber: file.number,
            quarantine: files.quarantine
        )
    }
}

extension SSTableReader {
    /// Whether all blocks that were found damaged can be read. Damage of anything else stays.
    fileprivate func isMended(_ damages: [Quarantine.Damage]?) -> Bool {
        guard let damages else { return false }
        var scratch = ByteWriter(capacity: 64)
        for damage in damages {
            let handle = BlockHandle(offset: damage.error.offset, storedCount: damage.error.length)
            guard (try? readBlock(handle, scratch: &scratch)) != nil else { return false }
        }
        return true
    }
}
