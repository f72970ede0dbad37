// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol

/// Aggregates and GROUP BY.
extension SelectExecution {
    /// Adds the decoder's row to its group, after giving out the group before if it is another.
    func emitGrouped(_ key: ByteView) throws(CQLError) -> Outcome? {
        nextGroupKey.removeAll()
        nextGroupKey.append(partition)
        for slot in plan.groupSlots {
            guard let value = decoder.values[slot] else {
                nextGroupKey.appendBigEndian(Int32(-1))
                continue
            }
            nextGroupKey.appendBigEndian(Int32(truncatingIfNeeded: value.count))
            nextGroupKey.append(value)
        }
        if groupIsOpen, !groupKey.view.equals(nextGroupKey.view) {
            if let outcome = try closeGroup() { return outcome }
        }
        if !groupIsOpen {
            if inPartition >= perPartitionLimit {
                partitionIsFull = true
                return nil
            }
            if rowCount == pageSize { return .pageFull }
            groupIsOpen = true
            inPartition += 1
            swap(&groupKey, &nextGroupKey)
            aggregates = aggregatePlans.map { AggregateState($0) }
            firstRow = nil
        }
        lastKey.removeAll()
        lastKey.append(key)
        lastInPartition = inPartition
        try aggregate()
        // Of a partition, DISTINCT takes one row.
        partitionIsFull = plan.isDistinct
        return nil
    }

    func closeGroup() throws(CQLError) -> Outcome? {
        groupIsOpen = false
        try writeAggregates()
        remaining -= 1
        return remaining == 0 ? .limitReached : nil
    }

    func aggregate() throws(CQLError) {
        for index in aggregates.indices {
            guard let argument = aggregatePlans[index].argument else {
                aggregates[index].addRow()
                continue
            }
            if case .column(let slot) = argument {
                aggregates[index].add(decoder.values[slot])
            } else if let value = try evaluator.evaluate(argument) {
                value.withView { aggregates[index].add($0) }
            }
        }
        guard firstRow == nil else { return }
        evaluator.aggregates = Array(repeating: nil, count: aggregates.count)
        var row: [[UInt8]?] = []
        for selector in selectors { row.append(try evaluator.evaluate(selector)) }
        firstRow = row
    }

    /// The row of an aggregation or of a group; other selectors beside aggregates show the first row's values.
    func writeAggregates() throws(CQLError) {
        var results: [[UInt8]?] = []
        for state in aggregates { results.append(try state.result()) }
        evaluator.aggregates = results
        for (index, selector) in selectors.enumerated() {
            if selector.isOverAggregates {
                try evaluator.append(selector, to: &cells)
            } else if let value = firstRow?[index] {
                cells.appendBigEndian(Int32(truncatingIfNeeded: value.count))
                cells.append(value)
            } else {
                cells.appendBigEndian(Int32(-1))
            }
        }
        rowCount += 1
    }
}
