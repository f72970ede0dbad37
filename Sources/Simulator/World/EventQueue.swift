// SPDX-License-Identifier: Apache-2.0

/// What is to happen, the soonest first; of two things at one moment, the one with the smaller tie-breaker,
/// which the seed gives.
struct EventQueue {
    struct Event {
        let time: UInt64
        let tie: UInt64
        /// Two equal ties are told apart by the order in which they came.
        let number: UInt64
        /// Without it nothing happens any more; nil for what no crash takes back.
        let life: Life?
        let action: () -> Void

        static func < (a: Event, b: Event) -> Bool {
            (a.time, a.tie, a.number) < (b.time, b.tie, b.number)
        }
    }

    /// A binary heap.
    private var events: [Event] = []

    var isEmpty: Bool { events.isEmpty }
    var next: Event? { events.first }

    mutating func insert(_ event: Event) {
        events.append(event)
        var child = events.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard events[child] < events[parent] else { return }
            events.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> Event? {
        guard let first = events.first else { return nil }
        let last = events.removeLast()
        guard !events.isEmpty else { return first }
        events[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < events.count else { return first }
            if child + 1 < events.count, events[child + 1] < events[child] { child += 1 }
            guard events[child] < events[parent] else { return first }
            events.swapAt(child, parent)
            parent = child
        }
    }

    /// Forgets what belongs to lives that are over, which may hold much memory.
    mutating func removeDead() {
        let alive = events.filter { $0.life?.isOver != true }
        events.removeAll(keepingCapacity: true)
        for event in alive { insert(event) }
    }
}

/// One run of a process on a machine, from its start to its end or its crash.
package final class Life {
    /// Counted from 1 on each machine.
    package let number: Int
    package internal(set) var isOver = false

    init(number: Int) { self.number = number }
}
