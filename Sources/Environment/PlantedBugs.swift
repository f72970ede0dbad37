// SPDX-License-Identifier: Apache-2.0

/// Bugs that are put into the code on purpose, so that it can be shown that the simulator's checkers find
/// such ones (docs/simulation.md). None is there unless the simulator asks for it. Each is looked at where
/// something is set up, a commit log, a compaction or the view of a cluster, or where something rare or costly happens,
/// never on the way of every request.
package struct PlantedBugs: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A commit log in group mode tells the writers before it has synced.
    package static let acknowledgeBeforeSync = PlantedBugs(rawValue: 1 << 0)
    /// A compaction purges every deletion, however young and whatever it may still hide elsewhere.
    package static let purgeTombstoneEarly = PlantedBugs(rawValue: 1 << 1)

    /// Replicas that lack what a read has found don't get it before the read is answered.
    package static let skipReadRepair = PlantedBugs(rawValue: 1 << 2)
    /// Hints are said to be kept, and aren't.
    package static let dropHint = PlantedBugs(rawValue: 1 << 3)
    /// A replica forgets what it has promised to conditional writes.
    package static let forgetPromise = PlantedBugs(rawValue: 1 << 4)
    /// Nodes that will own a range don't get its writes.
    package static let skipPendingWrites = PlantedBugs(rawValue: 1 << 5)
    /// Replicas serve requests of coordinators that don't know who owns a range by now.
    package static let serveStaleEpoch = PlantedBugs(rawValue: 1 << 6)
    /// Logged batches begin before anybody keeps them.
    package static let skipBatchLog = PlantedBugs(rawValue: 1 << 7)

    /// All, with the names that `tholos simulate --planted` knows them by.
    package static let named: [(name: String, bug: PlantedBugs)] = [
        ("acknowledge-before-sync", .acknowledgeBeforeSync),
        ("purge-tombstone-early", .purgeTombstoneEarly),
        ("skip-read-repair", .skipReadRepair),
        ("drop-hint", .dropHint),
        ("forget-promise", .forgetPromise),
        ("skip-pending-writes", .skipPendingWrites),
        ("serve-stale-epoch", .serveStaleEpoch),
        ("skip-batch-log", .skipBatchLog),
    ]
}
