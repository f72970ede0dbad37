// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model
internal import Storage

/// Turns a planned write and a request's values into a mutation.
///
/// Holds the scratch memory, so that a simple write allocates nothing but its result. Used by one
/// thread at a time.
final class WriteBuilder: @unchecked Sendable {  // Owner: a shard's executor, or one call.
    private var key = ByteWriter(capacity: 256)
    private var end = ByteWriter(capacity: 256)
    private var value = ByteWriter(capacity: 1024)
    private var partition = ByteWriter(capacity: 128)
    private var partitionKey = ByteWriter(capacity: 128)
    /// Memory for the values of a request.
    var values: [BoundValue] = []
    /// The mutation that is being built.
    var mutation = MutationWriter(capacity: 512)
    /// Counts the fragments, from a random start: the order of list elements of one timestamp.
    private var sequence: UInt32

    init(random: any RandomSource) {
        sequence = UInt32(truncatingIfNeeded: random.next())
    }

    /// The timestamp, clock and time to live of a write.
    static func time(
        of plan: WritePlan,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> WriteTime {
        var timestamp = bindings.timestamp
        if let expression = plan.timestamp {
            let evaluated = try expression.evaluate(bindings)
            if !evaluated.isUnset {
                guard let given = evaluated.withView({ $0.flatMap { Int64(cql: $0) } }) else {
                    throw .invalid("Invalid null value of timestamp")
                }
                timestamp = given
            }
        }
        guard timestamp != Int64.min else {
            throw .invalid("the timestamp \(timestamp) is out of bounds; the smallest is \(Int64.min + 1)")
        }
        var timeToLive = plan.table.options.defaultTimeToLive
        if let expression = plan.timeToLive {
            let evaluated = try expression.evaluate(bindings)
            if !evaluated.isUnset {
                timeToLive = evaluated.withView { $0.flatMap { Int32(cql: $0) } } ?? 0
            }
        }
        guard timeToLive >= 0 else {
            throw .invalid("A TTL must be greater or equal to 0, but was \(timeToLive)")
        }
        guard timeToLive <= WriteTime.timeToLiveMax else {
            throw .invalid("ttl is too large. requested (\(timeToLive)) maximum"
                + " (\(WriteTime.timeToLiveMax))")
        }
        return WriteTime(
            timestamp: timestamp,
            now: bindings.now,
            timeToLive: UInt32(timeToLive)
        )
    }

    /// The key that `makeKey` built; valid until the next call.
    var keyView: ByteView { key.view }
    /// The length of its partition part.
    private(set) var partitionCount = 0

    /// Builds the whole key of the row that a point read names.
    func makeKey(_ plan: SelectPlan, _ bindings: borrowing Bindings) throws(CQLError) {
        key.removeAll()
        try plan.restrictions.appendPartition(
            plan.table,
            bindings,
            scratch: &partitionKey,
            to: &key
        )
        partitionCount = key.count
        key.append(Key.clustered)
        try plan.restrictions.appendEnding(bindings, to: &key)
    }

    /// Adds the entries of a write that names one partition and reads nothing to `mutation`.
    func addOne(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> Model.Token {
        partition.removeAll()
        try plan.restrictions.appendPartition(
            plan.table,
            bindings,
            scratch: &partitionKey,
            to: &partition
        )
        try add(plan, partition: partition.view, bindings) { (_) throws(CQLError) in nil }
        return Key.token(of: partition.view)
    }

    /// Adds the group of a write's entries in one partition to `mutation`.
    ///
    /// - Parameter image: what a row (by its key's ending) or, with nil, the static row holds now; only
    ///   asked when the plan needs to read.
    func add(
        _ plan: WritePlan,
        partition: ByteView,
        _ bindings: borrowing Bindings,
        image: (_ ending: [UInt8]?) throws(CQLError) -> RowImage?
    ) throws(CQLError) {
        let time = try WriteBuilder.time(of: plan, bindings)
        mutation.begin(table: plan.table.storageID)
        try addEntries(plan, partition, bindings, time, image)
        mutation.dropEmptyGroup()
    }

    private func addEntries(
        _ plan: WritePlan,
        _ partition: ByteView,
        _ bindings: borrowing Bindings,
        _ time: WriteTime,
        _ image: (_ ending: [UInt8]?) throws(CQLError) -> RowImage?
    ) throws(CQLError) {
        if !plan.statics.isEmpty {
            key.removeAll()
            key.append(partition)
            key.append(Key.staticRow)
            let existing = plan.statics.contains(where: \.needsRead) ? try image(nil) : nil
            try addRow(plan.statics, of: plan.table, liveness: nil, bindings, time, existing)
        }
        guard plan.touchesRows else { return }
        if plan.kind == .delete, plan.regular.isEmpty {
            return try addDeletion(plan, partition, bindings, time)
        }
        let liveness = plan.kind == .insert ? time.liveness : nil
        if plan.namesOneRow, let changes = plan.plainRegular {
            key.removeAll()
            key.append(partition)
            key.append(Key.clustered)
            try plan.restrictions.appendEnding(bindings, to: &key)
            try encode(changes, liveness: liveness, bindings, time)
            if value.count > 0 { mutation.add(key: key.view, value: value.view) }
            return
        }
        for ending in try endings(plan, bindings) {
            let needsImage = plan.regular.contains(where: \.needsRead)
            let existing = needsImage ? try image(ending) : nil
            key.removeAll()
            key.append(partition)
            key.append(Key.clustered)
            key.append(ending)
            try addRow(plan.regular, of: plan.table, liveness: liveness, bindings, time, existing)
        }
    }

    /// Adds the fragment of the row whose key is in `key`. Changes of several elements of one
    /// collection become an entry each, since a fragment's cells must be in order; the memtable
    /// merges them.
    private func addRow(
        _ changes: [CellChange],
        of table: TableSchema,
        liveness: Liveness?,
        _ bindings: borrowing Bindings,
        _ time: WriteTime,
        _ existing: RowImage?
    ) throws(CQLError) {
        var first = 0
        repeat {
            var next = first + 1
            while next < changes.count, changes[next].column.id != changes[next - 1].column.id {
                next += 1
            }
            next = min(next, changes.count)
            let own = first == 0 ? liveness : nil
            try encode(changes[first..<max(first, next)], liveness: own, bindings, time, existing)
            if value.count > PostingKey.termSizeMax { try checkIndexed(table) }
            if value.count > 0 { mutation.add(key: key.view, value: value.view) }
            first = next
        } while first < changes.count
    }

    /// Refuses a value of an indexed column that is too large to be a term.
    private func checkIndexed(_ table: TableSchema) throws(CQLError) {
        guard !table.indexes.isEmpty, var fragment = try? RowFragment(value.view) else { return }
        while let cell = try? fragment.nextCell() {
            for index in table.indexes where index.column == cell.column {
                let size: Int
                switch index.part {
                case .keys: size = cell.path.count
                case .entries: size = cell.path.count + cell.value.count
                case .whole, .values, .full: size = max(cell.value.count, cell.path.count)
                }
                guard size > PostingKey.termSizeMax, let column = table.column(of: index) else {
                    continue
                }
                throw .invalid(
                    "Cannot index value of size \(size) for index \(index.name) on"
                        + " \(table.keyspace).\(table.name)(\(column.name)) (maximum allowed"
                        + " size=\(PostingKey.termSizeMax))"
                )
            }
        }
    }

    /// The key endings of the rows that a write names one by one.
    func endings(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [[UInt8]] {
        if plan.table.clustering.isEmpty { return [[Key.endRow]] }
        return try plan.restrictions.endings(plan.table, bindings).map { range in
            // A whole key's range is [key, key + 1).
            range.lower
        }
    }

    /// Writes a fragment to `value`; nothing when it would say nothing.
    private func encode(
        _ changes: ArraySlice<CellChange>,
        liveness: Liveness?,
        _ bindings: borrowing Bindings,
        _ time: WriteTime,
        _ existing: RowImage?
    ) throws(CQLError) {
        value.removeAll()
        RowEncoder.begin(liveness: liveness, base: time.timestamp, to: &value)
        let headerCount = value.count
        sequence &+= 1
        let appender = CellAppender(time: time, sequence: sequence, base: time.timestamp)
        for change in changes {
            try appender.append(change, bindings, existing: existing, to: &value)
        }
        if liveness == nil, value.count == headerCount { value.removeAll() }
    }

    /// The same for changes in their plain form.
    private func encode(
        _ changes: [PlainChange],
        liveness: Liveness?,
        _ bindings: borrowing Bindings,
        _ time: WriteTime
    ) throws(CQLError) {
        value.removeAll()
        RowEncoder.begin(liveness: liveness, base: time.timestamp, to: &value)
        let headerCount = value.count
        for change in changes {
            let cell: Cell
            switch bindings.values[change.marker] {
            case .unset: continue
            case .null: cell = time.tombstone(change.column)
            case .value(let view):
                if let reason = change.type.validate(view) { throw .invalid(reason) }
                cell = time.cell(change.column, view)
            }
            RowEncoder.append(cell, base: time.timestamp, to: &value)
        }
        if liveness == nil, value.count == headerCount { value.removeAll() }
    }

    private func addDeletion(
        _ plan: WritePlan,
        _ partition: ByteView,
        _ bindings: borrowing Bindings,
        _ time: WriteTime
    ) throws(CQLError) {
        let deletion = Deletion(timestamp: time.timestamp, localTime: time.now)
        key.removeAll()
        key.append(partition)
        value.removeAll()
        guard plan.restrictions.restrictsClustering else {
            key.append(Key.partitionDeletion)
            EntryHeader.appendPartitionDeletion(deletion, to: &value)
            return mutation.add(key: key.view, value: value.view)
        }
        key.append(Key.clustered)
        let prefixCount = key.count
        let isWhole = plan.restrictions.clusteringPrefixCount == plan.table.clustering.count
        for range in try plan.restrictions.endings(plan.table, bindings) {
            key.truncate(to: prefixCount)
            value.removeAll()
            key.append(range.lower)
            if isWhole {
                RowEncoder.begin(liveness: nil, deletion: deletion, to: &value)
            } else {
                end.removeAll()
                end.append(partition)
                end.append(Key.clustered)
                end.append(Self.marker(range.upper))
                RangeDeletion.append(end: end.view, deletion: deletion, to: &value)
            }
            mutation.add(key: key.view, value: value.view)
        }
    }

    /// A range's upper bound as a marker: just above `endAfter` becomes `endAfter`.
    private static func marker(_ upper: [UInt8]) -> [UInt8] {
        guard upper.last == Key.endAfter + 1 else { return upper }
        return upper.dropLast() + [Key.endAfter]
    }
}
