// SPDX-License-Identifier: Apache-2.0

/// What an object does when its operations come one after the other: what a history of concurrent ones is
/// held against.
package protocol SequentialModel {
    associatedtype State: Hashable
    associatedtype Input
    associatedtype Output

    static var initial: State { get }

    /// The state after an operation; nil if it can't have given `output` in this state. With an output of
    /// nil nobody has seen what it gave: anything is possible.
    static func step(_ state: State, _ input: Input, _ output: Output?) -> State?
}

/// An operation of a history.
package struct HistoryOperation<Input, Output> {
    package let input: Input
    /// What it gave; nil if that isn't known.
    package let output: Output?
    /// When it was asked for, in numbers that grow with time.
    package let called: UInt64
    /// When its answer came; nil if none did: it may happen at any time, or never.
    package let returned: UInt64?

    package init(_ input: Input, _ output: Output?, called: UInt64, returned: UInt64?) {
        self.input = input
        self.output = output
        self.called = called
        self.returned = returned
    }
}

/// A register that can be read, and set on a condition: what a row under conditional writes is.
package enum ConditionalRegister: SequentialModel {
    package enum Input: Hashable, Sendable {
        case read
        /// INSERT … IF NOT EXISTS.
        case insert(Int64)
        /// UPDATE … IF v = from.
        case update(from: Int64, to: Int64)
        /// DELETE … IF v = from.
        case delete(from: Int64)
    }

    package enum Output: Hashable, Sendable {
        /// What was read; nil for no row.
        case value(Int64?)
        case applied
        /// Not applied, since this is what is there.
        case refused(Int64?)
    }

    package static let initial: Int64? = nil

    package static func step(_ state: Int64?, _ input: Input, _ output: Output?) -> Int64?? {
        let (holds, next): (Bool, Int64?) =
            switch input {
            case .read: (true, state)
            case .insert(let value): (state == nil, value)
            case .update(let from, let to): (state == from, to)
            case .delete(let from): (state == from, nil)
            }
        switch output {
        case nil: return .some(holds ? next : state)
        case .value(let seen): return input == .read && seen == state ? .some(state) : nil
        case .applied: return holds && input != .read ? .some(next) : nil
        case .refused(let seen): return !holds && seen == state ? .some(state) : nil
        }
    }
}

/// Whether something of a name exists: what a table is under concurrent CREATE and DROP.
package enum Existence: SequentialModel {
    package enum Input: Hashable, Sendable { case create, drop }

    package static func step(_ state: Bool, _ input: Input, _ output: Bool?) -> Bool? {
        let isDone = (input == .create) != state
        if let output, output != isDone { return nil }
        return input == .create
    }

    package static let initial = false
}
