// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Storage

/// The page as it is answered.
extension SelectExecution {
    func finish(hasMore: Bool) {
        do throws(CQLError) {
            if plan.isAggregate { try writeAggregates() }
            if groupIsOpen { _ = try closeGroup() }
        } catch {
            return complete(StatementOutcome(.failure(error)))
        }
        // As in Cassandra, a page of an index that is full may be followed by an empty one: clients go on
        // until a page isn't full.
        let isFull =
            !conditions.isEmpty && !plan.isAggregate && !plan.isMerged
            && rowCount == pageSize && remaining > 0
        var state: [UInt8]?
        if hasMore || isFull {
            state = PagingState(
                lastKey: lastKey.array,
                remaining: remaining,
                inPartition: lastInPartition
            ).encode(seed: seed)
        }
        let metadata = ResultMetadata(
            columns: plan.columns,
            omitsColumns: skipMetadata,
            pagingState: state
        )
        let bytes = plan.isMerged ? mergedCells() : cells.array
        let rows = RowsResult(metadata: metadata, rowCount: rowCount, cells: bytes)
        cost.postings = indexScan.walkedCount
        var outcome = StatementOutcome(
            .success(.rows(rows)),
            warnings: cost.warnings(rowCount, plan.table, limits)
        )
        outcome.cost = cost
        complete(outcome)
    }

    /// The cells with the rows of all partitions in the clustering order, as many as the limit allows.
    private func mergedCells() -> [UInt8] {
        let order = merged.indices.sorted { a, b in
            if merged[a].ending == merged[b].ending { return a < b }
            return merged[a].ending.lexicographicallyPrecedes(merged[b].ending) != plan.isReversed
        }
        var sorted = ByteWriter(capacity: cells.count)
        rowCount = min(order.count, mergedLimit)
        for index in order.prefix(rowCount) {
            let end = index + 1 < merged.count ? merged[index + 1].start : cells.count
            sorted.append(cells.view[merged[index].start..<end])
        }
        return sorted.array
    }
}
