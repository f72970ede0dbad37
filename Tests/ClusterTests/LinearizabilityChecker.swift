// SPDX-License-Identifier: Apache-2.0

/// One operation on a register as its client saw it.
struct RegisterOperation {
    enum Effect: Equatable {
        /// The value was read.
        case read(UInt64)
        /// Replaced `expected` (any value if nil) by `new`.
        case write(expected: UInt64?, new: UInt64)
    }

    let effect: Effect
    let invoked: Int
    /// When it ended; for one whose fate is unknown, when its client was told so.
    var returned: Int
    /// It may have had its effect or not.
    var isOptional = false
}

/// Whether a history of a register is linearizable: Wing and Gong's search with memory (as in Lowe,
/// "Testing for linearizability", 2017).
///
/// Stricter in one point: an operation whose fate is unknown has its effect before any operation
/// that was begun after its client was told, or never.
struct LinearizabilityChecker {
    private let operations: [RegisterOperation]
    private var seen: Set<Place> = []

    private struct Place: Hashable {
        let done: UInt64
        let value: UInt64
    }

    /// At most 64 operations; the register begins with 0.
    static func isLinearizable(_ operations: [RegisterOperation]) -> Bool {
        var checker = LinearizabilityChecker(operations: operations)
        return checker.search(done: 0, value: 0)
    }

    private init(operations: [RegisterOperation]) { self.operations = operations }

    private mutating func search(done: UInt64, value: UInt64) -> Bool {
        guard seen.insert(Place(done: done, value: value)).inserted else { return false }
        let open = operations.indices.filter { done >> UInt64($0) & 1 == 0 }
        let required = open.filter { !operations[$0].isOptional }
        if required.isEmpty { return true }
        // None may be next that began after another had ended.
        let firstEnd = required.map { operations[$0].returned }.min() ?? .max
        let lastBegin =
            operations.indices.filter { done >> UInt64($0) & 1 == 1 }
            .map { operations[$0].invoked }.max() ?? .min
        for index in open {
            let operation = operations[index]
            if operation.invoked > firstEnd || operation.returned < lastBegin { continue }
            let next = done | 1 << UInt64(index)
            switch operation.effect {
            case .read(let expected):
                if value == expected, search(done: next, value: value) { return true }
            case .write(let expected, let new):
                if expected == nil || expected == value, search(done: next, value: new) {
                    return true
                }
            }
        }
        return false
    }
}
