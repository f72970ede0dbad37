// SPDX-License-Identifier: Apache-2.0

/// Says whether a history of concurrent operations is linearizable: whether there is an order, in which
/// nothing that ended before another began comes after it, that the model could have gone through.
///
/// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory of states
/// of Lowe ("Testing for linearizability", 2017), as Porcupine does it. An operation whose answer never
/// came may be put anywhere after its call, or be left out.
package enum Linearizability {
    package enum Verdict: Equatable, Sendable {
        case linearizable
        case violated
        /// The search was given up after so many steps.
        case undecided
    }

    /// - Parameter stepsMax: gives up after so many.
    package static func check<Model: SequentialModel>(
        _ model: Model.Type,
        _ history: [HistoryOperation<Model.Input, Model.Output>],
        stepsMax: Int = 2_000_000
    ) -> Verdict {
        var search = Search<Model>(history)
        return search.run(stepsMax: stepsMax)
    }

    /// A call, or the end of an operation, in the list of those that are not in the order yet.
    private struct Entry {
        let operation: Int
        /// The entry of its end; nil for an end, and for an operation without one.
        var end: Int?
        var isCall = true
        var previous = 0
        var next = 0
    }

    /// What has been tried already.
    private struct Tried<State: Hashable>: Hashable {
        let taken: [UInt64]
        let state: State
    }

    private struct Search<Model: SequentialModel> {
        private let history: [HistoryOperation<Model.Input, Model.Output>]
        /// In order of time; the first is the list's head.
        private var entries: [Entry] = []
        private var taken: [UInt64]
        private var endsLeft = 0

        init(_ history: [HistoryOperation<Model.Input, Model.Output>]) {
            self.history = history
            taken = [UInt64](repeating: 0, count: (history.count + 63) / 64)
            // Calls come before ends of the same moment, so that both count as concurrent.
            var events: [(time: UInt64, isEnd: Int, operation: Int)] = []
            for (index, operation) in history.enumerated() {
                events.append((operation.called, 0, index))
                if let returned = operation.returned { events.append((returned, 1, index)) }
            }
            events.sort { ($0.time, $0.isEnd, $0.operation) < ($1.time, $1.isEnd, $1.operation) }
            entries.append(Entry(operation: -1))
            var calls = [Int](repeating: 0, count: history.count)
            for event in events {
                let index = entries.count
                if event.isEnd == 0 {
                    calls[event.operation] = index
                    entries.append(Entry(operation: event.operation))
                } else {
                    entries[calls[event.operation]].end = index
                    entries.append(Entry(operation: event.operation, isCall: false))
                    endsLeft += 1
                }
                entries[index].previous = index - 1
                entries[index - 1].next = index
            }
            entries[entries.count - 1].next = 0
        }

        mutating func run(stepsMax: Int) -> Verdict {
            var state = Model.initial
            var tried: Set<Tried<Model.State>> = []
            var path: [(entry: Int, state: Model.State)] = []
            var place = entries[0].next
            var steps = 0
            // What has no end may be left out: without ends all is in order.
            while endsLeft > 0 {
                steps += 1
                if steps > stepsMax { return .undecided }
                if place != 0, entries[place].isCall {
                    let operation = history[entries[place].operation]
                    if let next = Model.step(state, operation.input, operation.output) {
                        take(entries[place].operation)
                        if tried.insert(Tried(taken: taken, state: next)).inserted {
                            path.append((place, state))
                            state = next
                            remove(place)
                            place = entries[0].next
                            continue
                        }
                        untake(entries[place].operation)
                    }
                    place = entries[place].next
                } else {
                    // An end whose call isn't in the order, or the list's end: the last choice was wrong.
                    guard let last = path.popLast() else { return .violated }
                    state = last.state
                    restore(last.entry)
                    untake(entries[last.entry].operation)
                    place = entries[last.entry].next
                }
            }
            return .linearizable
        }

        private mutating func take(_ operation: Int) { taken[operation / 64] |= 1 << (operation % 64) }

        private mutating func untake(_ operation: Int) {
            taken[operation / 64] &= ~(1 << (operation % 64))
        }

        private mutating func remove(_ call: Int) {
            unlink(call)
            guard let end = entries[call].end else { return }
            unlink(end)
            endsLeft -= 1
        }

        private mutating func restore(_ call: Int) {
            if let end = entries[call].end {
                link(end)
                endsLeft += 1
            }
            link(call)
        }

        private mutating func unlink(_ index: Int) {
            let entry = entries[index]
            entries[entry.previous].next = entry.next
            if entry.next != 0 { entries[entry.next].previous = entry.previous }
        }

        private mutating func link(_ index: Int) {
            let entry = entries[index]
            entries[entry.previous].next = index
            if entry.next != 0 { entries[entry.next].previous = index }
        }
    }
}
