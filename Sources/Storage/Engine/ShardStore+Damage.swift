// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// Files in quarantine: what couldn't be read once may be readable later, if it was the disk's mood.
extension ShardStore {
    /// Looks again, after a while, at the places of a table's files that were found damaged, and lets
    /// compactions have those files whose places can all be read. Costs a block for each file that is still
    /// damaged.
    func retryDamaged(_ table: TableStore) {
        let quarantine = files.quarantine
        guard !isClosed, !table.isDamageTimed,
            table.sstables.contains(where: { quarantine.holds(file: $0.number) })
        else { return }
        table.isDamageTimed = true
        let seconds = min(60, 1 << min(table.damageRetries, 6))
        table.damageRetries += 1
        executor.schedule(after: UInt64(seconds) * 1_000_000_000) { [self] in lookAtDamaged(table) }
    }

    private func lookAtDamaged(_ table: TableStore) {
        guard !isClosed else { return }
        let quarantine = files.quarantine
        let held = table.sstables.filter { quarantine.holds(file: $0.number) }
        backgroundJobs += 1
        environment.reading.execute { [self] in
            var isAnyMended = false
            for sstable in held where sstable.reader.isMended(quarantine.damages(of: sstable.number)) {
                quarantine.release(file: sstable.number)
                isAnyMended = true
            }
            executor.execute { [self, isAnyMended] in
                table.isDamageTimed = false
                let isLive = self.table(storageID: table.schema.storageID) === table
                if isLive { if isAnyMended { startCompaction(table) } else { retryDamaged(table) } }
                finishBackgroundJob()
            }
        }
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
