// SPDX-License-Identifier: Apache-2.0

import AdminProtocol

/// Answers about tables, compactions and snapshots.
extension AnswerText {
    static func flush(_ answer: TableWork) -> String {
        "Flushed \(count(answer.tables.count, "table")) in \(answer.milliseconds) ms\n"
    }

    static func compact(_ answer: TableWork) -> String {
        let tables = count(answer.tables.count, "table")
        guard answer.isFinished else {
            return "Compacting \(tables); 'tholos admin compactionstats' shows how far it is\n"
        }
        return work("Compacted", answer)
    }

    static func cleanup(_ answer: TableWork) -> String { work("Cleaned", answer) }

    private static func work(_ verb: String, _ answer: TableWork) -> String {
        "\(verb) \(count(answer.tables.count, "table")) in"
            + " \(decimal(Double(answer.milliseconds) / 1000, places: 1)) s:"
            + " \(size(answer.sizeBefore)) before, \(size(answer.sizeAfter)) after\n"
    }

    /// One line about the compactions that run; nil without any.
    static func progress(_ answer: CompactionStatistics) -> String? {
        let tasks = answer.tasks.filter { $0.kind != "flush" }
        guard !tasks.isEmpty else { return nil }
        let (done, total) = (tasks.reduce(0) { $0 + $1.completed }, tasks.reduce(0) { $0 + $1.total })
        let rate = tasks.reduce(0) { $0 + $1.bytesPerSecond }
        let part = total == 0 ? 1 : Double(done) / Double(total)
        let left = tasks.compactMap(\.secondsLeft).max().map { ", \($0) s left" } ?? ""
        let waiting = answer.pending.reduce(0) { $0 + $1.count } - tasks.count
        return "\(percent(part, decimals: 0)) of \(size(total)), \(size(rate))/s\(left)"
            + (waiting > 0 ? ", \(waiting) more wait" : "")
    }

    static func compactionstats(_ answer: CompactionStatistics, isHuman: Bool) -> String {
        var head = TextTable()
        head.add(["concurrent compactors", String(answer.concurrentCompactors)])
        head.add(["pending tasks", String(answer.pending.reduce(0) { $0 + $1.count })])
        var text = head.text(gap: 2)
        for pending in answer.pending {
            text += "- \(pending.keyspace).\(pending.table): \(pending.count)\n"
        }
        guard !answer.tasks.isEmpty else { return text }
        var table = TextTable([
            "id", "compaction type", "keyspace", "table", "shard", "completed", "total", "unit", "progress",
        ])
        for task in answer.tasks {
            let part = task.total == 0 ? 1 : Double(task.completed) / Double(task.total)
            let (done, total) = (bytes(task.completed, isHuman), bytes(task.total, isHuman))
            table.add([
                task.id, task.kind.prefix(1).uppercased() + task.kind.dropFirst(), task.keyspace,
                task.table, String(task.shard), done, total, isHuman ? "" : "bytes",
                percent(part, decimals: 2),
            ])
        }
        text += "\n" + table.text(gap: 1)
        let seconds = answer.tasks.compactMap(\.secondsLeft).max()
        return text + "Active compaction remaining time : " + (seconds.map { duration($0) } ?? "n/a") + "\n"
    }

    static func tablestats(_ answer: TableStatistics, isHuman: Bool) -> String {
        let total = answer.keyspaces.reduce(0) { $0 + $1.tables.count }
        var lines = ["Total number of tables: \(total)", "----------------"]
        for keyspace in answer.keyspaces {
            lines += ["Keyspace : \(keyspace.name)"]
            lines.append("\tPending Flushes: \(keyspace.tables.reduce(0) { $0 + $1.pendingFlushes })")
            for table in keyspace.tables {
                let values: [(String, String)] = [
                    ("Table", table.name),
                    ("SSTable count", String(table.sstableCount)),
                    ("Max SSTable size", bytes(table.largestSstable, isHuman)),
                    ("Space used (live)", bytes(table.spaceLive, isHuman)),
                    ("Space used by snapshots (total)", bytes(table.spaceSnapshots, isHuman)),
                    ("SSTable Compression Ratio", decimal(table.compressionRatio, places: 5)),
                    ("Number of partitions (estimate)", String(table.partitions)),
                    ("Number of rows (estimate)", String(table.rows)),
                    ("Number of cells (estimate)", String(table.cells)),
                    ("Number of tombstones", String(table.tombstones)),
                    ("Memtable data size", bytes(table.memtableBytes, isHuman)),
                    ("Pending flushes", String(table.pendingFlushes)),
                    ("Pending compactions", String(table.pendingCompactions)),
                    ("Compacted partition maximum bytes", bytes(table.partitionBytesMax, isHuman)),
                    ("Compacted partition mean bytes", bytes(table.partitionBytesMean, isHuman)),
                    ("Unreadable SSTables", String(table.unreadableSstables)),
                ]
                lines.append("")
                lines += values.map { "\t\t\($0.0): \($0.1)" }
            }
            lines += ["", "----------------"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Snapshots

    static func snapshot(_ answer: SnapshotMade) -> String {
        "Snapshot directory: \(answer.name)\n"
            + "\(count(answer.tables.count, "table")): \(list(answer.tables))\n"
    }

    static func listsnapshots(_ answer: SnapshotList) -> String {
        guard !answer.snapshots.isEmpty else { return "There are no snapshots\n" }
        var table = TextTable([
            "Snapshot name", "Keyspace name", "Column family name", "True size", "Size on disk",
            "Creation time",
        ])
        for snapshot in answer.snapshots {
            table.add([
                snapshot.name, snapshot.keyspace, snapshot.table, size(snapshot.ownSize),
                size(snapshot.size), snapshot.createdAt ?? "",
            ])
        }
        let own = answer.snapshots.reduce(0) { $0 + $1.ownSize }
        return "Snapshot Details:\n" + table.text(gap: 1) + "\nTotal TrueDiskSpaceUsed: \(size(own))\n"
    }

    static func clearsnapshot(_ answer: SnapshotList) -> String {
        guard !answer.snapshots.isEmpty else { return "There were no snapshots\n" }
        let names = answer.snapshots.map { "\($0.name) of \($0.keyspace).\($0.table)" }
        return "Cleared \(count(names.count, "snapshot")): \(list(names))\n"
    }

    // MARK: Parts of lines

    private static func bytes(_ count: Int, _ isHuman: Bool) -> String {
        isHuman ? size(count) : String(count)
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(10).joined(separator: ", ") + (names.count > 10 ? ", …" : "")
    }

    /// `1h02m03s`.
    private static func duration(_ seconds: Int) -> String {
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return "\(seconds / 3600)h\(two(seconds / 60 % 60))m\(two(seconds % 60))s"
    }
}
