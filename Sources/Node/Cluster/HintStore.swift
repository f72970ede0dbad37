// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
package import Environment
package import Model
package import Storage
import Synchronization

/// How much is kept for nodes that can't be reached.
package struct HintOptions: Sendable {
    /// After a node has been away for so long, nothing more is kept for it: it needs a repair. In seconds.
    package var window: Int64 = 3 * 3600
    /// The most that is kept for one node, in bytes.
    package var sizeMax = 1 << 30
    /// The size at which the next file is begun.
    package var segmentSize = 16 << 20
    /// How many hints are on their way to a node at once.
    package var inFlightMax = 32

    package init() {}
}

/// The writes that other nodes have missed, in files of each node's own, until they are back and have them.
///
///     DATA/hints/NODE-N.hints: a record log (`RecordLog`) of   record = created (8, seconds since 1970) mutation
///
/// Hints that come at the same time share one sync. A file is delivered from its start and removed when the node
/// has confirmed all of it: after a failure or a restart some hints are delivered twice, which changes nothing. What is
/// for a range that moves, or has other owners since, goes to all of them.
/// All file work is done on one executor.
package final class HintStore: HintSink, @unchecked Sendable {  // Owner: `executor`; the queue: its lock.
    private struct Hint {
        let node: NodeID
        let mutation: [UInt8]
        let done: @Sendable (Bool) -> Void
    }

    /// What is kept for a node.
    private struct Target {
        /// The numbers of its files, ascending; the last may be open.
        var segments: [UInt64] = []
        var writer: RecordLogWriter?
        var bytes = 0
        /// When the oldest hint was kept, in seconds since 1970.
        var since: Int64 = .max
        var isDelivering = false
    }

    /// Between two looks for hints that can be delivered, in nanoseconds.
    private static let retryDelay: UInt64 = 10_000_000_000

    private let environment: Environment
    private let folder: String
    private let executor: any Executor
    private let options: HintOptions
    private let notice: @Sendable (String) -> Void
    private let queue = Mutex<[Hint]>([])
    private var targets: [NodeID: Target] = [:]
    private var lastNumber: UInt64 = 0
    private var isClosed = false
    private var isRefusing = false
    private var counts = HintCounts()
    private weak var coordinator: Coordinator?

    /// Opens the folder of a node's hints.
    package init(
        environment: Environment,
        dataDirectory: String,
        executor: any Executor,
        options: HintOptions = HintOptions(),
        notice: @escaping @Sendable (String) -> Void
    ) throws(StorageError) {
        self.environment = environment
        self.executor = executor
        self.options = options
        self.notice = notice
        folder = "\(dataDirectory)/hints"
        do throws(FileError) {
            try environment.fileSystem.createDirectoryDurably(folder)
            for name in try environment.fileSystem.list(folder) {
                guard let (node, number) = HintStore.parse(name) else { continue }
                lastNumber = max(lastNumber, number)
                targets[node, default: Target()].segments.append(number)
                targets[node]?.bytes += try environment.fileSystem.open("\(folder)/\(name)").size
                targets[node]?.since = 0
            }
        } catch {
            throw .file(error)
        }
        for node in targets.keys { targets[node]?.segments.sort() }
    }

    private func path(_ node: NodeID, _ number: UInt64) -> String {
        "\(folder)/\(node)-\(number).hints"
    }

    private static func parse(_ name: String) -> (NodeID, UInt64)? {
        guard name.hasSuffix(".hints") else { return nil }
        let stem = name.dropLast(6)
        guard let dash = stem.lastIndex(of: "-"), let uuid = UUID(String(stem[..<dash])),
            let number = UInt64(stem[stem.index(after: dash)...])
        else { return nil }
        return (NodeID(uuid), number)
    }

    // MARK: Keeping

    package func keep(_ mutation: [UInt8], for id: NodeID, done: @escaping @Sendable (Bool) -> Void) {
        let isFirst = queue.withLock { queue in
            queue.append(Hint(node: id, mutation: mutation, done: done))
            return queue.count == 1
        }
        if isFirst { executor.execute { [self] in writeQueued() } }
    }

    private func writeQueued() {
        let hints = queue.withLock { queue in
            let hints = queue
            queue = []
            return hints
        }
        let now = environment.clock.secondsSinceEpoch()
        var written: [NodeID] = []
        var isKept = hints.map { _ in false }
        let isPlanted = environment.planted.contains(.dropHint)
        for (index, hint) in hints.enumerated() {
            isKept[index] = isPlanted || append(hint, now)
            if isKept[index], !written.contains(hint.node) { written.append(hint.node) }
        }
        for node in written where !isPlanted && !sync(node) {
            for index in hints.indices where hints[index].node == node { isKept[index] = false }
        }
        for (hint, isKept) in zip(hints, isKept) {
            if isKept { counts.kept += 1 } else { counts.refused += 1 }
            hint.done(isKept)
        }
    }

    private func append(_ hint: Hint, _ now: Int64) -> Bool {
        guard !isClosed, !isRefusing else { return false }
        var target = targets[hint.node] ?? Target()
        defer { targets[hint.node] = target }
        if target.segments.isEmpty { target.since = now }
        if target.since == 0 { target.since = now }
        guard now - target.since <= options.window, target.bytes <= options.sizeMax else { return false }
        do throws(FileError) {
            if target.writer.map({ $0.size > options.segmentSize }) ?? true {
                target.writer?.close()
                target.writer = nil
                lastNumber += 1
                let header = RecordLogFormat.Header(
                    kind: .hints,
                    segment: lastNumber,
                    salt: environment.random.next(),
                    startsRun: true
                )
                target.writer = try RecordLogWriter(
                    fileSystem: environment.fileSystem,
                    path: path(hint.node, lastNumber),
                    header: header
                )
                try environment.fileSystem.syncDirectory(folder)
                target.segments.append(lastNumber)
            }
            try target.writer?.append { record in
                record.appendBigEndian(now)
                record.append(hint.mutation)
            }
            target.bytes += hint.mutation.count + RecordLogFormat.recordOverhead + 8
            return true
        } catch {
            notice("Hints for node \(hint.node) can't be kept: \(error)")
            target.writer?.close()
            target.writer = nil
            return false
        }
    }

    private func sync(_ node: NodeID) -> Bool {
        do throws(FileError) {
            guard let writer = targets[node]?.writer else { return false }
            try writer.sync()
            return true
        } catch {
            notice("Hints for node \(node) can't be kept: \(error)")
            targets[node]?.writer?.close()
            targets[node]?.writer = nil
            return false
        }
    }

    // MARK: Delivering

    /// Where hints are delivered by.
    func deliver(by coordinator: Coordinator) {
        executor.execute { [self] in
            self.coordinator = coordinator
            look()
        }
    }

    /// Whether nothing is kept or on its way to be. On the store's executor.
    var isEmpty: Bool { targets.isEmpty && queue.withLock { $0.isEmpty } }

    /// Keeps no further hints: this node leaves. On the store's executor.
    func refuse() { isRefusing = true }

    /// Delivers what can be delivered. On the store's executor.
    func lookForAll() {
        for node in targets.keys.sorted() where canDeliver(to: node) { deliver(to: node) }
    }

    /// Looks now and then for hints of nodes that are there: they may have been away too shortly to be missed.
    private func look() {
        guard !isClosed else { return }
        lookForAll()
        executor.schedule(after: HintStore.retryDelay) { [self] in look() }
    }

    /// Whether a node is there, or gone for good: then whoever owns its ranges now gets its hints.
    private func canDeliver(to node: NodeID) -> Bool {
        guard let coordinator else { return false }
        return coordinator.isAlive(node) || coordinator.view.node(node)?.state ?? .left == .left
    }

    /// A node gives signs of life, or has left for good: its hints are delivered.
    func look(for node: NodeID) { executor.execute { [self] in deliver(to: node) } }

    private func remove(_ node: NodeID, _ number: UInt64) {
        do throws(FileError) {
            try environment.fileSystem.remove(path(node, number))
        } catch {
            // A power loss took it back before anything in it was acknowledged.
            guard error.reason != .notFound else { return }
            notice("A file of hints can't be removed: \(error)")
        }
    }

    private func deliver(to node: NodeID) {
        guard !isClosed, let coordinator, let target = targets[node], !target.isDelivering,
            let first = target.segments.first
        else { return }
        targets[node]?.isDelivering = true
        if target.segments.count == 1 {
            // New hints go to another file.
            target.writer?.close()
            targets[node]?.writer = nil
        }
        let (hints, damage) = read(node, first)
        if let damage {
            notice("Hints for node \(node) can't be read: \(damage)")
            // What can't be read now may be later; what is damaged stays so: a repair brings it.
            if case .file = damage {
                targets[node]?.isDelivering = false
                return
            }
        }
        let run = HintDelivery(hints, to: node, coordinator, inFlightMax: options.inFlightMax) {
            [self] failure in
            executor.execute { [self] in finished(node, first, hints.count, failure) }
        }
        run.start()
    }

    private func read(_ node: NodeID, _ number: UInt64) -> (hints: [[UInt8]], damage: StorageError?) {
        var hints: [[UInt8]] = []
        do throws(StorageError) {
            let path = path(node, number)
            let contents = try FileContents(environment.fileSystem, path: path)
            let reader = RecordLogReader(path: path, kind: .hints, segment: number, mayBeTorn: true)
            _ = try reader.read(contents.view) { (_, payload) in
                if payload.count > 8 { hints.append(payload.dropFirst(8).array) }
            }
            return (hints, nil)
        } catch {
            return (hints, error)
        }
    }

    private func finished(_ node: NodeID, _ number: UInt64, _ count: Int, _ failure: String?) {
        targets[node]?.isDelivering = false
        guard !isClosed else { return }
        // What failed is tried again when it is looked for hints next.
        guard failure == nil else { return }
        counts.delivered += count
        remove(node, number)
        targets[node]?.segments.removeAll { $0 == number }
        guard let target = targets[node] else { return }
        if target.segments.isEmpty {
            targets[node] = nil
            notice("Node \(node) has all hints that were kept for it")
        } else {
            deliver(to: node)
        }
    }

    /// What was kept and delivered since the start; `done` is called on the store's executor.
    package func report(_ done: @escaping @Sendable (HintCounts) -> Void) {
        executor.execute { [self] in
            var counts = counts
            counts.waiting = targets.sorted { $0.key < $1.key }.map { ($0.key, $0.value.bytes) }
            done(counts)
        }
    }

    /// Keeps and delivers nothing any more. On the store's executor.
    func close() {
        isClosed = true
        for node in targets.keys { targets[node]?.writer?.close() }
    }
}

/// What became of hints.
package struct HintCounts: Sendable {
    package var kept = 0
    package var refused = 0
    package var delivered = 0
    /// The bytes that wait for each node.
    package var waiting: [(node: NodeID, bytes: Int)] = []
}

/// Sends hints to a node, some at a time.
private final class HintDelivery: @unchecked Sendable {  // Owner: the first shard's executor.
    private let hints: [[UInt8]]
    private let node: NodeID
    private let coordinator: Coordinator
    private let inFlightMax: Int
    private let done: @Sendable (String?) -> Void
    private var next = 0
    private var inFlight = 0
    private var failure: String?

    init(
        _ hints: [[UInt8]],
        to node: NodeID,
        _ coordinator: Coordinator,
        inFlightMax: Int,
        done: @escaping @Sendable (String?) -> Void
    ) {
        self.hints = hints
        self.node = node
        self.coordinator = coordinator
        self.inFlightMax = inFlightMax
        self.done = done
    }

    func start() { coordinator.node.shards[0].run { [self] shard in send(shard) } }

    private func send(_ shard: Shard) {
        while failure == nil, next < hints.count, inFlight < inFlightMax {
            let hint = hints[next]
            next += 1
            inFlight += 1
            coordinator.deliver(hint, to: coordinator.owners(ofHint: hint, for: node), owner: shard) { [self] failure in
                inFlight -= 1
                if let failure, self.failure == nil { self.failure = failure }
                send(shard)
            }
        }
        if inFlight == 0, failure != nil || next == hints.count { done(failure) }
    }
}
