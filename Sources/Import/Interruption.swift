// SPDX-License-Identifier: Apache-2.0

import Glibc
internal import Synchronization

/// A wish to stop, set by a signal and asked for between batches.
package final class Interruption: Sendable {
    private let flag = Atomic<Bool>(false)

    package init() {}

    /// Whether somebody wants the import to stop.
    package var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// Asks the import to stop at the next batch.
    package func request() { flag.store(true, ordering: .relaxed) }

    /// The one that SIGINT and SIGTERM set.
    package static let bySignal = Interruption()

    /// Lets SIGINT and SIGTERM set `bySignal`; a second one ends the process as usual.
    package static func catchSignals() {
        // Touched here so that the handler never runs the lazy initialiser.
        _ = bySignal.isRequested
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Interruption.bySignal.request() }
        // Without SA_RESTART, so that a read that waits for input returns.
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
        sigaction(SIGINT, &action, nil)
        sigaction(SIGTERM, &action, nil)
    }
}
