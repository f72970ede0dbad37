// SPDX-License-Identifier: Apache-2.0

package import Model
internal import Synchronization

/// A flush or compaction that runs, as tools see it.
package struct BackgroundTask: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case flush
        case compaction
        /// A compaction for the deletions that it can purge.
        case tombstoneCompaction = "tombstone compaction"
        /// Files that are rewritten with their entries of a new index.
        case indexBuild = "index build"
        /// Files that are dropped unread.
        case expiry
    }

    package let id: UUID
    package let kind: Kind
    package let keyspace: String
    package let table: String
    package let shard: Int
    /// How many SSTables it reads.
    package let sstables: Int
    /// Where it writes.
    package let directory: String
    /// The bytes that it has to work through, and those that it has.
    package let total: Int
    package fileprivate(set) var done = 0
    /// The bytes that its output will have at most, as far as is known.
    package let predictedSize: Int
    /// Nanoseconds of the monotonic clock.
    package let startedAt: UInt64

    package init(
        id: UUID,
        kind: Kind,
        keyspace: String,
        table: String,
        shard: Int,
        sstables: Int,
        directory: String,
        total: Int,
        predictedSize: Int,
        startedAt: UInt64
    ) {
        self.id = id
        self.kind = kind
        self.keyspace = keyspace
        self.table = table
        self.shard = shard
        self.sstables = sstables
        self.directory = directory
        self.total = total
        self.predictedSize = predictedSize
        self.startedAt = startedAt
    }

    /// The part that is done, from 0 to 1.
    package var ratio: Double { total == 0 ? 1 : min(1, Double(done) / Double(total)) }

    /// Bytes a second since it began.
    package func rate(now: UInt64) -> Double {
        guard now > startedAt else { return 0 }
        return Double(done) * 1e9 / Double(now - startedAt)
    }

    /// The seconds that it will take, if it goes on as up to now; nil before anything is done.
    package func secondsLeft(now: UInt64) -> Double? {
        let rate = rate(now: now)
        return rate > 0 ? Double(max(0, total - done)) / rate : nil
    }
}

/// How a shard takes writes at the moment, as tools see it.
package struct WriteAdmission: Sendable, Equatable {
    package var shard: Int
    /// What each write is held up by, in nanoseconds.
    package var delay: UInt64 = 0
    /// Why; empty when writes are taken at once.
    package var reason = ""
    /// How near the limits are at which writes wait longest, from 0 to 1.
    package var pressure = 0.0
    /// Writes since the start that were held up, and that were refused for want of room on the disk.
    package var delayedWrites = 0
    package var refusedWrites = 0
    /// Whether the disk is so full that only deletions are taken.
    package var isDiskFull = false

    package init(shard: Int) { self.shard = shard }
}

/// The flushes and compactions of a node that run, and how its shards take writes.
///
/// Each shard writes its own; anybody may read.
package final class BackgroundTasks: Sendable {
    private struct State {
        var tasks: [UUID: BackgroundTask] = [:]
        var admissions: [Int: WriteAdmission] = [:]
        var notice: (@Sendable (String) -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// Those that run, the oldest first.
    package var all: [BackgroundTask] {
        state.withLock { Array($0.tasks.values) }.sorted { $0.startedAt < $1.startedAt }
    }

    /// How the shards take writes, in their order.
    package var admissions: [WriteAdmission] {
        state.withLock { Array($0.admissions.values) }.sorted { $0.shard < $1.shard }
    }

    /// Has `body` called with a sentence when writes begin to be held up or refused, and when that ends.
    package func onNotice(_ body: @escaping @Sendable (String) -> Void) {
        state.withLock { $0.notice = body }
    }

    package func begin(_ task: BackgroundTask) { state.withLock { $0.tasks[task.id] = task } }

    /// Notes how many bytes of a task are done.
    package func advance(_ id: UUID, to done: Int) { state.withLock { $0.tasks[id]?.done = done } }

    package func end(_ id: UUID) { state.withLock { _ = $0.tasks.removeValue(forKey: id) } }

    /// Notes how a shard takes writes; a sentence that isn't nil is passed on.
    package func note(_ admission: WriteAdmission, notice: String? = nil) {
        let tell = state.withLock { state in
            state.admissions[admission.shard] = admission
            return state.notice
        }
        if let notice { tell?(notice) }
    }
}
