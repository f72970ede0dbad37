// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// Repairs, all by itself, the ranges of which this node is the first replica, so that each is proven in sync within its
/// table's `gc_grace_seconds`: one after the other, and at a fifth of a core at most. Used on the member's control
/// executor only.
///
///     DATA/repairs: what is proven, and as of when (`RepairSchedule`)
final class RepairScheduler: @unchecked Sendable {  // Owner: the member's control executor.
    private typealias Work = (table: RepairSchedule.Table, ranges: [TokenRange])

    /// Between two looks, in nanoseconds.
    private static let pace: UInt64 = 10_000_000_000
    /// Tables with a shorter grace are repaired as if it were that, in microseconds: a day.
    private static let graceMin: Int64 = 86_400_000_000

    /// A new table is noticed in less, in microseconds.
    private static let noticeMax: Int64 = 60_000_000

    private let file: SmallFile
    private var schedule = RepairSchedule()
    private var known: Set<UUID> = []
    private var isRunning = false
    private(set) var counts = RepairCounts()

    /// - Parameter notice: told if what is known of earlier repairs can't be read: then everything is repaired anew.
    init(_ environment: Environment, dataDirectory: String, notice: (String) -> Void) {
        file = SmallFile(path: "\(dataDirectory)/repairs", fileSystem: environment.fileSystem)
        do throws(FileError) {
            guard let bytes = try file.read(limit: .max) else { return }
            do throws(MalformedBytes) {
                schedule = try bytes.withView { (view) throws(MalformedBytes) in try Self.decode(view) }
            } catch {
                notice("\(file.path) can't be used (\(error)): all ranges are repaired anew")
            }
        } catch {
            notice("\(file.path) can't be read (\(error)): all ranges are repaired anew")
        }
    }

    private static func decode(_ view: ByteView) throws(MalformedBytes) -> RepairSchedule {
        var reader = ByteReader(view)
        let checksum: UInt64 = try reader.readBigEndian()
        let body = try reader.readView(reader.remaining)
        guard Checksum.xxh3(body, seed: 0) == checksum else {
            throw MalformedBytes(offset: 0, expected: "another checksum")
        }
        var inner = ByteReader(body)
        return try RepairSchedule(from: &inner)
    }

    func begin(_ member: ClusterMember) {
        // What is there at the start may be older than this node's knowledge of it.
        known = Set(member.node.schema.tables.map(\.id))
        look(member)
    }

    private func look(_ member: ClusterMember) {
        guard !member.isStopped else { return }
        member.control.schedule(after: Self.pace) { member.repairs.look(member) }
        noteNewTables(member)
        let now = member.node.environment.clock.microsecondsSinceEpoch()
        let work = work(member)
        counts.overdue = work.reduce(0) {
            $0 + schedule.overdue(tables: [$1.table], ranges: $1.ranges, now: now).count
        }
        runNext(of: work, member)
    }

    private func runNext(of work: [Work], _ member: ClusterMember) {
        guard !member.isStopped, !isRunning, isQuiet(member) else { return }
        let now = member.node.environment.clock.microsecondsSinceEpoch()
        let due = work.compactMap { schedule.next(tables: [$0.table], ranges: $0.ranges, now: now) }
        if let job = due.min(by: { $0.deadline < $1.deadline }) { run(job, begun: now, member) }
    }

    /// A table that is made while this node looks has nothing to be proven but what was written since.
    private func noteNewTables(_ member: ClusterMember) {
        let now = member.node.environment.clock.microsecondsSinceEpoch()
        let tables = member.node.schema.tables.map(\.id)
        let fresh = tables.filter { !known.contains($0) }
        guard !fresh.isEmpty else { return }
        // It is noticed later than it was made, by this node's clock.
        for id in fresh { schedule.succeeded(id, .all, begun: now - Self.noticeMax) }
        known = Set(tables)
        schedule.keepOnly(tables)
        save(member)
    }

    /// The tables that have replicas, and the ranges of each that this node looks after.
    private func work(_ member: ClusterMember) -> [Work] {
        let view = member.coordinator.view
        return member.node.schema.tables.compactMap { table in
            guard let placement = view.placement(of: table.keyspace), placement.factors.total > 1 else { return nil }
            let grace = max(Int64(table.options.gcGraceSeconds) * 1_000_000, Self.graceMin)
            return (
                RepairSchedule.Table(id: table.id, grace: grace),
                placement.map.primaryRanges(of: view.local)
            )
        }
    }

    /// Whether nobody moves and everybody is up: a repair asks all replicas.
    private func isQuiet(_ member: ClusterMember) -> Bool {
        member.coordinator.view.nodes.allSatisfy { node in
            node.state == .left || node.state == .normal && member.coordinator.isAlive(node.id)
        }
    }

    private func run(_ job: RepairSchedule.Job, begun now: Int64, _ member: ClusterMember) {
        guard let table = member.node.schema.tables.first(where: { $0.id == job.table }) else { return }
        isRunning = true
        member.transfer(
            .repair,
            "scheduled repair",
            keyspace: table.keyspace,
            tables: [table.name],
            isGentle: true,
            { map in [job.range].filter { map.primaryRanges(of: member.id).contains($0) } }
        ) { [self] progress, failure in
            isRunning = false
            // Without a range it isn't this node's to look after any more.
            if failure == nil, progress.rangesTotal > 0 {
                counts.done += 1
                schedule.succeeded(job.table, job.range, begun: now)
                save(member)
            } else {
                counts.failed += 1
                schedule.failed(job.table, job.range, now: member.node.environment.clock.microsecondsSinceEpoch())
            }
            // After a failure the next look is soon enough.
            if failure == nil { runNext(of: work(member), member) }
        }
    }

    /// What isn't kept is repaired once more after a restart.
    private func save(_ member: ClusterMember) {
        var body = ByteWriter(capacity: 256)
        schedule.encode(to: &body)
        var writer = ByteWriter(capacity: body.count + 8)
        writer.appendBigEndian(Checksum.xxh3(body.view, seed: 0))
        writer.append(body.view)
        do throws(FileError) {
            try file.write(writer.array)
        } catch {
            member.notice("What was repaired can't be written to \(file.path): \(error)")
        }
    }
}

/// What became of scheduled repairs since the start.
package struct RepairCounts: Sendable {
    package var done = 0
    package var failed = 0
    /// Ranges of tables that weren't in sync within their grace.
    package var overdue = 0

    package init() {}
}
