// SPDX-License-Identifier: Apache-2.0

/// Bugs that are put into the code on purpose, so that it can be shown that the simulator's checkers find
/// such ones (docs/simulation.md). None is there unless the simulator asks for it. Each is looked at where
/// something is set up, a commit log or a compaction, never for a request.
package struct PlantedBugs: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A commit log in group mode tells the writers before it has synced.
    package static let acknowledgeBeforeSync = PlantedBugs(rawValue: 1 << 0)
    /// A compaction purges every deletion, however young and whatever it may still hide elsewhere.
    package static let purgeTombstoneEarly = PlantedBugs(rawValue: 1 << 1)

    /// All, with the names that `tholos simulate --planted` knows them by.
    package static let named: [(name: String, bug: PlantedBugs)] = [
        ("acknowledge-before-sync", .acknowledgeBeforeSync),
        ("purge-tombstone-early", .purgeTombstoneEarly),
    ]
}
