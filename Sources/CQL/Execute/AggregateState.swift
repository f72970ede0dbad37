// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// What an aggregate has seen so far.
struct AggregateState {
    private let aggregate: Aggregate
    private var count: Int64 = 0
    private var extreme: [UInt8]?
    private var numbers: NumericAccumulator?

    init(_ aggregate: Aggregate) {
        self.aggregate = aggregate
        switch aggregate.kind {
        case .sum, .average: numbers = NumericAccumulator(aggregate.type)
        default: numbers = nil
        }
    }

    /// Counts a row, whatever is in it.
    mutating func addRow() { count += 1 }

    /// Adds the argument's value of a row.
    mutating func add(_ value: ByteView?) {
        guard let value else { return }
        switch aggregate.kind {
        case .countRows: break
        case .count: count += 1
        case .min: keep(value) { $0 < 0 }
        case .max: keep(value) { $0 > 0 }
        case .sum, .average: numbers?.add(value)
        }
    }

    private mutating func keep(_ value: ByteView, if wins: (Int) -> Bool) {
        guard let extreme else {
            self.extreme = value.array
            return
        }
        if wins(extreme.withView { aggregate.type.compare(value, $0) }) {
            self.extreme = value.array
        }
    }

    private func number() throws(CQLError) -> [UInt8]? {
        guard let numbers else { return nil }
        do throws(NumericOverflow) {
            return aggregate.kind == .sum ? try numbers.sum() : try numbers.average()
        } catch {
            throw .invalid(error.description)
        }
    }

    /// The result; nil is null.
    func result() throws(CQLError) -> [UInt8]? {
        switch aggregate.kind {
        case .countRows, .count: return ValueCoding.int64(count)
        case .min, .max: return extreme
        case .sum, .average: return try number()
        }
    }
}
