// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model
internal import Storage

/// What runs: the tables of `system_views`.
extension SystemTables {
    /// Appends the rows of the view `name` as they are at this moment.
    func appendView(_ name: String, to rows: inout VirtualRows) {
        switch name {
        case "sstable_tasks":
            let now = clock.monotonicNanoseconds()
            for task in tasks.all { rows.append(Self.row(of: task, now: now)) }
        case "write_admission":
            for admission in tasks.admissions { rows.append(Self.row(of: admission)) }
        default: break
        }
    }

    private static func row(of task: BackgroundTask, now: UInt64) -> VirtualRows.Row {
        var row: VirtualRows.Row = [
            "keyspace_name": ValueCoding.text(task.keyspace),
            "table_name": ValueCoding.text(task.table),
            "task_id": ValueCoding.uuid(task.id),
            "completion_ratio": ValueCoding.double(task.ratio),
            "kind": ValueCoding.text(task.kind.rawValue),
            "progress": ValueCoding.int64(Int64(task.done)),
            "sstables": ValueCoding.int32(Int32(clamping: task.sstables)),
            "target_directory": ValueCoding.text(task.directory),
            "total": ValueCoding.int64(Int64(task.total)),
            "unit": ValueCoding.text("bytes"),
            "bytes_per_second": ValueCoding.int64(whole(task.rate(now: now))),
            "predicted_bytes": ValueCoding.int64(Int64(task.predictedSize)),
            "shard": ValueCoding.int32(Int32(clamping: task.shard)),
        ]
        if let seconds = task.secondsLeft(now: now) {
            row["seconds_left"] = ValueCoding.int64(whole(seconds))
        }
        return row
    }

    private static func row(of admission: WriteAdmission) -> VirtualRows.Row {
        [
            "shard": ValueCoding.int32(Int32(clamping: admission.shard)),
            "delay_micros": ValueCoding.int64(Int64(clamping: admission.delay / 1000)),
            "delayed_writes": ValueCoding.int64(Int64(admission.delayedWrites)),
            "disk_full": ValueCoding.boolean(admission.isDiskFull),
            "pressure": ValueCoding.double(admission.pressure),
            "reason": ValueCoding.text(admission.reason),
            "refused_writes": ValueCoding.int64(Int64(admission.refusedWrites)),
        ]
    }

    /// A number without its fraction, within the range of `bigint`.
    private static func whole(_ number: Double) -> Int64 { Int64(min(max(number, 0), 1e18)) }
}
