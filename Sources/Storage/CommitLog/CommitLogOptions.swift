// SPDX-License-Identifier: Apache-2.0

/// How a commit log works.
package struct CommitLogOptions: Sendable, Equatable {
    /// When a write is acknowledged.
    package enum Sync: Sendable, Equatable {
        /// When it is on disk. Writes that wait at the same time share one sync.
        case group
        /// At once; syncs follow each other at this interval. A power loss takes the writes of the
        /// last interval, a kill of the process those of the last moments.
        case periodic(milliseconds: Int)
    }

    package var sync: Sync
    /// Where a segment ends, in bytes; a record may be at most half as large.
    package var segmentSize: Int

    package init(sync: Sync = .group, segmentSize: Int = 32 << 20) {
        self.sync = sync
        self.segmentSize = segmentSize
    }
}
