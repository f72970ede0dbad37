// SPDX-License-Identifier: Apache-2.0

/// What is true of a value whose writes carry growing versions (their timestamps): a read, or the end, shows
/// the last write that was acknowledged before, or a later one that was at least tried.
package struct VersionedRegister: Sendable {
    /// Writes that were tried, by version: when.
    private var tried: [Int64: UInt64] = [:]
    /// Writes that were acknowledged: version and when, both growing.
    private var acknowledged: [(version: Int64, time: UInt64)] = []

    package init() {}

    /// A write begins.
    package mutating func begin(_ version: Int64, at time: UInt64) { tried[version] = time }

    /// A write is acknowledged.
    package mutating func acknowledge(_ version: Int64, at time: UInt64) {
        // Only the highest so far says something that isn't said.
        if let last = acknowledged.last, last.version >= version { return }
        acknowledged.append((version, time))
    }

    /// The highest version that was acknowledged until `time`.
    package func floor(at time: UInt64) -> Int64? {
        acknowledged.last { $0.time <= time }?.version
    }

    /// What is wrong with a read of `version` (nil for nothing) that was asked for at `called` and answered at
    /// `returned`; nil if nothing is.
    package func fault(reading version: Int64?, called: UInt64, returned: UInt64) -> String? {
        let floor = floor(at: called)
        guard let version else {
            return floor.map { "nothing was read, but version \($0) had been acknowledged" }
        }
        guard let begun = tried[version] else { return "\(version) was read and never written" }
        if begun > returned { return "\(version) was read before it was written" }
        if let floor, floor > version {
            return "\(version) was read, but version \(floor) had been acknowledged"
        }
        return nil
    }
}

/// What is true of a set to which each element is added once and from which it is taken once at most.
package struct ElementHistory: Sendable {
    private struct Element {
        var addBegun: UInt64
        var addAcknowledged: UInt64?
        var removeBegun: UInt64?
        var removeAcknowledged: UInt64?
    }

    private var elements: [Int64: Element] = [:]

    package init() {}

    package mutating func beginAdd(_ element: Int64, at time: UInt64) {
        elements[element] = Element(addBegun: time)
    }

    package mutating func acknowledgeAdd(_ element: Int64, at time: UInt64) {
        elements[element]?.addAcknowledged = time
    }

    package mutating func beginRemove(_ element: Int64, at time: UInt64) {
        if elements[element]?.removeBegun == nil { elements[element]?.removeBegun = time }
    }

    /// A removal of all elements up to one begins, of those too whose adding is not acknowledged.
    package mutating func beginRemove(upTo last: Int64, at time: UInt64) {
        for element in elements.keys where element <= last { beginRemove(element, at: time) }
    }

    package mutating func acknowledgeRemove(_ element: Int64, at time: UInt64) {
        if elements[element]?.removeAcknowledged == nil { elements[element]?.removeAcknowledged = time }
    }

    /// The elements that were added for sure and that nobody has tried to remove, sorted.
    package var present: [Int64] {
        elements.filter { $0.value.addAcknowledged != nil && $0.value.removeBegun == nil }
            .keys.sorted()
    }

    /// What is wrong with a read of the whole set.
    package func faults(reading seen: [Int64], called: UInt64, returned: UInt64) -> [String] {
        var faults: [String] = []
        for element in seen.sorted() {
            guard let known = elements[element] else {
                faults.append("\(element) was read and never added")
                continue
            }
            if known.addBegun > returned { faults.append("\(element) was read before it was added") }
            if let removed = known.removeAcknowledged, removed <= called {
                faults.append("\(element) was deleted and has come back")
            }
        }
        let all = Set(seen)
        for (element, known) in elements.sorted(by: { $0.key < $1.key }) where !all.contains(element) {
            guard let added = known.addAcknowledged, added <= called else { continue }
            if let removed = known.removeBegun, removed <= returned { continue }
            faults.append("\(element) was added and is gone")
        }
        return faults
    }
}
