// SPDX-License-Identifier: Apache-2.0

package import Environment
package import Model
internal import Synchronization

/// What a node has found damaged in its SSTables since it started: each place once.
///
/// Whoever meets damage takes note of it here: reads, compactions, the start. Reads go on asking for the
/// place, and fail as long as it is damaged; a file with damage is left out of compactions, so that none
/// fails again and again, and counts for the others as one that may have older data. Now and then a shard
/// looks at the places again (`ShardStore.retryDamaged`) and lets a file go whose entries can all be read.
/// Safe to use from any thread.
package final class Quarantine: Sendable {
    /// A part of a file that can't be used.
    package struct Damage: Sendable, Equatable {
        package let fileNumber: UInt64
        /// The file, the place, the keys that are concerned, what is wrong.
        package let error: CorruptionError
        /// Microseconds since 1970.
        package let foundAt: Int64
        /// Whether what is damaged follows from the entries: the next compaction makes it anew.
        let isDerived: Bool

        /// The keyspace and the name of the file's table, which its folders are named after.
        package var table: (keyspace: String, name: String) {
            let folders = error.path.split(separator: "/").dropLast().suffix(2).map(String.init)
            guard folders.count == 2 else { return ("", "") }
            let name = folders[1].split(separator: "-", omittingEmptySubsequences: false)
            return (folders[0], name.dropLast().joined(separator: "-"))
        }
    }

    private struct Place: Hashable {
        let file: UInt64
        let offset: Int
    }

    private struct State {
        var damages: [Damage] = []
        var places: Set<Place> = []
        var files: Set<UInt64> = []
        var report: (@Sendable (Damage) -> Void)?
    }

    /// More places than these are not listed; their files are known all the same.
    private static let damagesMax = 10_000

    private let clock: any Clock
    private let state = Mutex(State())

    package init(clock: any Clock) { self.clock = clock }

    /// All damage that is known, in the order in which it was found.
    package var damages: [Damage] { state.withLock { $0.damages } }

    /// Whether entries of a file are known to be damaged.
    package func holds(file number: UInt64) -> Bool { state.withLock { $0.files.contains(number) } }

    /// The damage of a file's entries; nil if more may be known than is listed.
    func damages(of number: UInt64) -> [Damage]? {
        state.withLock { state in
            guard state.damages.count < Quarantine.damagesMax else { return nil }
            return state.damages.filter { $0.fileNumber == number && !$0.isDerived }
        }
    }

    /// Lets a file go whose entries can be read again.
    func release(file number: UInt64) {
        state.withLock { state in
            state.files.remove(number)
            state.damages.removeAll { damage in
                guard damage.fileNumber == number, !damage.isDerived else { return false }
                state.places.remove(Place(file: number, offset: damage.error.offset))
                return true
            }
        }
    }

    /// Takes note of damage and reports it, if it is new.
    ///
    /// - Parameter isDerived: what is damaged follows from the entries, as the filter and postings do: the
    ///   next compaction makes it anew.
    package func note(_ error: CorruptionError, fileNumber: UInt64, isDerived: Bool = false) {
        let damage = Damage(
            fileNumber: fileNumber,
            error: error,
            foundAt: clock.microsecondsSinceEpoch(),
            isDerived: isDerived
        )
        let report = state.withLock { state -> (@Sendable (Damage) -> Void)? in
            if !isDerived { state.files.insert(fileNumber) }
            guard state.damages.count < Quarantine.damagesMax,
                state.places.insert(Place(file: fileNumber, offset: error.offset)).inserted
            else { return nil }
            state.damages.append(damage)
            return state.report
        }
        report?(damage)
    }

    /// Calls `report` for all damage that is known, and from now on for each that is found, in the thread
    /// that found it.
    package func onDamage(_ report: @escaping @Sendable (Damage) -> Void) {
        let known = state.withLock { state -> [Damage] in
            state.report = report
            return state.damages
        }
        for damage in known { report(damage) }
    }

    /// Forgets a file that is gone.
    package func forget(file number: UInt64) {
        state.withLock { state in
            state.files.remove(number)
            state.damages.removeAll { $0.fileNumber == number }
            state.places = state.places.filter { $0.file != number }
        }
    }
}

/// An SSTable that is live in a shard and can't be opened.
///
/// Nothing is known of what it holds. So reads that it may concern fail, and nothing that might hide
/// something in it is purged, until it can be opened: that is tried now and then.
package struct UnreadableSSTable: Sendable {
    package let number: UInt64
    package let path: String
    /// Why it can't be opened.
    package let error: CorruptionError
    /// The tokens that it may hold something of.
    package let ranges: [TokenRange]

    package init(number: UInt64, path: String, error: CorruptionError, ranges: [TokenRange]) {
        self.number = number
        self.path = path
        self.error = error
        self.ranges = ranges
    }

    /// What to tell a read of `range`, if the file may concern it.
    func failure(of range: TokenRange) -> StorageError? {
        guard let first = ranges.first(where: { $0.intersection(range) != nil }) else { return nil }
        let bounds = KeyBounds(first)
        return .corruption(error.with(keys: KeySpan(first: bounds.lower, last: bounds.upper)))
    }
}
