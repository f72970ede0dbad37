// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage
import Synchronization

/// What a replica holds a coordinator's request to.
struct RequestTerms: Sendable {
    /// Where rows were at this epoch is where the coordinator looks for them.
    var epoch: UInt64
    /// When the coordinator gives up, in the monotonic clock's nanoseconds: later, nobody needs the work.
    var deadline = UInt64.max

    /// What this node does of its own accord.
    static let own = RequestTerms(epoch: .max)
}

/// What this node does as a replica: reads and writes of its own store that a coordinator asks for, this node
/// or another.
final class ReplicaService: Sendable {
    let node: Node
    /// The first epoch since which rows have been where they are.
    private let placementEpoch = Atomic<UInt64>(0)
    private let expired = Atomic<UInt64>(0)

    init(_ node: Node) { self.node = node }

    typealias Answer = @Sendable (MessageKind, [UInt8]) -> Void

    /// Requests of earlier epochs are refused from now on.
    func fence(_ epoch: UInt64) { placementEpoch.store(epoch, ordering: .releasing) }

    /// How many requests were dropped since they came to their turn when nobody waited for them any more.
    var expiredCount: UInt64 { expired.load(ordering: .relaxed) }

    /// Runs `body` on the shard of a token if the request is still to be done: told by the shard's turn, since what
    /// has the turn before the shard comes to an epoch is seen by whoever takes over from it.
    func run(
        on token: Token,
        _ terms: RequestTerms,
        refused: @escaping @Sendable (RequestFailure) -> Void,
        _ body: @escaping @Sendable (Shard) -> Void
    ) {
        let clock = node.environment.clock
        node.shard(of: token).run { [self] shard in
            let moved = placementEpoch.load(ordering: .acquiring)
            guard terms.epoch >= moved else {
                let text = "the request is of epoch \(terms.epoch), and rows have moved at epoch \(moved)"
                return refused(RequestFailure(.staleEpoch, text))
            }
            guard terms.deadline == .max || clock.monotonicNanoseconds() < terms.deadline else {
                _ = expired.add(1, ordering: .relaxed)
                return
            }
            body(shard)
        }
    }

    /// The terms of a request that has come now.
    ///
    /// - Parameter timeout: in microseconds.
    func terms(of message: InternodeMessage, _ timeout: UInt64) -> RequestTerms {
        let now = node.environment.clock.monotonicNanoseconds()
        let wait = timeout.multipliedReportingOverflow(by: 1000)
        let end = now.addingReportingOverflow(wait.partialValue)
        let isEndless = wait.overflow || end.overflow
        return RequestTerms(epoch: message.epoch, deadline: isEndless ? .max : end.partialValue)
    }

    /// Does what a message asks for and answers it; nothing if that comes too late.
    func handle(_ message: InternodeMessage, answer: @escaping Answer) {
        let terms = { (timeout: UInt64) in self.terms(of: message, timeout) }
        do throws(MalformedBytes) {
            switch message.kind {
            case .write:
                let request = try WriteRequest(decoding: message.body)
                write(parts: request.mutation, terms(request.timeout)) { failure in
                    guard let failure else { return answer(.writeAnswer, []) }
                    answer(.failure, failure.bytes)
                }
            case .read:
                let request = try ReadRequest(decoding: message.body)
                read(request, terms(request.timeout)) { result in
                    switch result {
                    case .success(let data): answer(.readAnswer, data.bytes)
                    case .failure(let failure): answer(.failure, failure.bytes)
                    }
                }
            case .paxos:
                let step = try PaxosMessage(decoding: message.body)
                paxos(step, terms(step.timeout)) { result in
                    switch result {
                    case .success(let reply): answer(.paxosAnswer, reply.bytes)
                    case .failure(let failure): answer(.failure, failure.bytes)
                    }
                }
            default: invariantFailure("\(message.kind) isn't a replica's")
            }
        } catch {
            answer(.failure, RequestFailure(.unknown, error.description).bytes)
        }
    }

    // MARK: Writes

    /// Writes a mutation of one partition; `done` is called when it is durable. On any thread.
    func write(
        _ mutation: [UInt8],
        token: Token,
        _ terms: RequestTerms,
        done: @escaping @Sendable (RequestFailure?) -> Void
    ) {
        run(on: token, terms, refused: done) { shard in
            mutation.withView { view in
                shard.store.write(view) { done($0.map { RequestFailure($0) }) }
            }
        }
    }

    /// Writes a mutation that may be of several partitions, and so of several shards.
    func write(
        parts mutation: [UInt8],
        _ terms: RequestTerms,
        done: @escaping @Sendable (RequestFailure?) -> Void
    ) {
        let parts: [(token: Token, mutation: [UInt8])]
        do throws(MalformedBytes) {
            parts = try split(mutation)
        } catch {
            return done(RequestFailure(.unknown, error.description))
        }
        guard parts.count != 1 else {
            return write(parts[0].mutation, token: parts[0].token, terms, done: done)
        }
        guard !parts.isEmpty else { return done(nil) }
        let gate = Countdown<RequestFailure>(parts.count, done: done)
        for part in parts { write(part.mutation, token: part.token, terms) { gate.finish($0) } }
    }

    /// A mutation by shards: most are of one.
    private func split(
        _ mutation: [UInt8]
    ) throws(MalformedBytes) -> [(token: Token, mutation: [UInt8])] {
        var tokens: [Int: Token] = [:]
        try eachEntry(mutation) { (_, key, _) in
            let token = Key.token(of: key)
            tokens[node.shardMap.shard(of: token)] = token
        }
        if tokens.count == 1, let token = tokens.values.first { return [(token, mutation)] }
        var parts: [Int: [UInt8]] = [:]
        try eachEntry(mutation) { (table, key, value) in
            var writer = MutationWriter(capacity: key.count + value.count + 32)
            writer.begin(table: table)
            writer.add(key: key, value: value)
            parts[node.shardMap.shard(of: Key.token(of: key)), default: []] += writer.bytes.array
        }
        return parts.sorted { $0.key < $1.key }.compactMap { shard, bytes in
            tokens[shard].map { ($0, bytes) }
        }
    }

    private func eachEntry(
        _ mutation: [UInt8],
        _ body: (UUID, ByteView, ByteView) -> Void
    ) throws(MalformedBytes) {
        try mutation.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    body(group.storageID, key, value)
                }
            }
        }
    }

    // MARK: Reads

    /// Reads a run of keys as far as one shard has it. On any thread.
    func read(
        _ request: ReadRequest,
        _ terms: RequestTerms,
        done: @escaping @Sendable (Result<ReadAnswer, RequestFailure>) -> Void
    ) {
        guard request.bounds.lower.count >= 8 else {
            return done(.failure(RequestFailure(.unknown, "a run of keys that begins without a token")))
        }
        let token = request.bounds.lower.withView { Key.token(of: $0) }
        run(on: token, terms, refused: { done(.failure($0)) }) { shard in
            shard.store.read { () throws(RequestFailure) in
                try ReplicaService.read(request, token, on: shard)
            } done: {
                done($0)
            }
        }
    }

    private static func read(
        _ request: ReadRequest,
        _ token: Token,
        on shard: Shard
    ) throws(RequestFailure) -> ReadAnswer {
        guard let table = shard.store.table(storageID: request.storageID) else {
            let text = "the table with the data \(request.storageID) isn't known here"
            throw RequestFailure(.incompatibleSchema, text)
        }
        var run = ReplicaRead.Run(request)
        var border: [UInt8]?
        if let own = shard.store.tokenRanges.first(where: { $0.contains(token) }), own.last != .max {
            let end = KeyBounds(own).upper
            let isBeyond = run.bounds.upper.isEmpty
                || end.withView { end in run.bounds.upper.withView { end.compare($0) < 0 } }
            if isBeyond {
                run.bounds = KeyBounds(lower: run.bounds.lower, upper: end)
                border = end
            }
        }
        let result: ReplicaRead.Result
        do throws(StorageError) {
            result = try ReplicaRead.read(run, of: table)
        } catch {
            throw RequestFailure(error)
        }
        // Where the next shard begins no key is: all before it are in the answer.
        let horizon = result.horizon ?? border
        let digest = ReadAnswer.Digest(result.digest, horizon)
        guard !request.wantsDigest else { return ReadAnswer(digest: digest, data: nil) }
        let data = ReadAnswer.Data(
            horizon: horizon,
            rowCount: result.rowCount,
            mutation: result.mutation
        )
        return ReadAnswer(digest: digest, data: data)
    }
}

extension RequestFailure {
    /// What a coordinator is told of a write that failed here.
    init(_ error: WriteError) {
        switch error {
        case .unknownTable: self.init(.incompatibleSchema, error.description)
        case .diskFull, .commitLog(.noRoom): self.init(.diskFull, error.description)
        case .flushFailing: self.init(.overloaded, error.description)
        default: self.init(.unknown, error.description)
        }
    }

    /// What a coordinator is told of a read that failed here.
    init(_ error: StorageError) {
        switch error {
        case .corruption: self.init(.corruption, error.description)
        default: self.init(.unknown, error.description)
        }
    }
}

extension ReadAnswer.Digest {
    /// The digest of entries and of how far they go: answers that go differently far aren't the same.
    init(_ entries: (UInt64, UInt64), _ horizon: [UInt8]?) {
        guard let horizon else {
            self.init(high: entries.0, low: entries.1)
            return
        }
        let (high, low) = horizon.withView { view in
            (Checksum.xxh3(view, seed: entries.0), Checksum.xxh3(view, seed: ~entries.1))
        }
        self.init(high: high, low: low)
    }
}
