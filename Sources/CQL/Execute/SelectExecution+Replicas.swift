// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Model
internal import Node
internal import Storage

/// The replicas that a read asks, and how many of them have to answer.
struct ReplicaSource: Sendable {
    let coordinator: Coordinator
    let keyspace: String
    /// Where its rows were when the request began.
    let map: ReplicaMap
    let level: Consistency

    /// Whether this node's own rows of a token are answer enough.
    func isHere(_ token: Model.Token) -> Bool {
        guard level == .one || level == .localOne else { return false }
        return map.replicas(of: token).natural.contains(coordinator.view.local)
    }
}

/// A read whose rows are on other nodes: stretches of keys come from the replicas, one after the other.
extension SelectExecution {
    private static let stretchBytesMax = 1 << 20
    private static let stretchRowsMax = 5000

    /// Whether the next key is behind what the replicas have given so far.
    var isBehindStretch: Bool {
        guard let stretchEnd, let resumeKey else { return false }
        let order = resumeKey.withView { key in stretchEnd.withView { key.compare($0) } }
        return plan.isReversed ? order <= 0 : order >= 0
    }

    /// Gets the next stretch of the current piece and goes on with it.
    func fetch(from source: ReplicaSource) {
        let piece = pieces[pieceIndex]
        node.shards[piece.shard].run { [self] shard in
            let request = request(for: piece, source)
            if source.level.isSerial { return fetchSerially(request, piece, source, shard) }
            source.coordinator.read(
                request,
                of: plan.table,
                token: request.bounds.lower.withView { Key.token(of: $0) },
                in: source.keyspace,
                source.level,
                owner: shard
            ) { [self] in take($0, source) }
        }
    }

    /// A serial read: by Paxos, which finishes what conditional writes have left unfinished.
    private func fetchSerially(
        _ request: ReadRequest,
        _ piece: Piece,
        _ source: ReplicaSource,
        _ shard: Shard
    ) {
        guard let partition = piece.partition, pieces.allSatisfy({ $0.partition == partition }) else {
            let text = "SERIAL/LOCAL_SERIAL consistency may only be requested for one partition at a time"
            return complete(StatementOutcome(.failure(.invalid(text))))
        }
        let operation = PaxosOperation(
            table: plan.table,
            partition: partition,
            reads: [request],
            serial: source.level,
            level: source.level == .serial ? .quorum : .localQuorum,
            timeout: source.coordinator.options.casTimeout,
            decide: nil
        )
        source.coordinator.perform(operation, in: source.keyspace, owner: shard) { [self] result in
            switch result {
            case .malformed(let id, let error): take(.failure(.malformed(id, error)), source)
            case .overloaded(let limit): complete(StatementOutcome(.failure(.overloaded(limit))))
            case .abandoned: invariantFailure("a read gave up")
            case .finished(let outcome, let answers):
                if let error = CQLError(outcome, source.level, source.level, isRead: true) {
                    return complete(StatementOutcome(.failure(error)))
                }
                guard let rows = answers.first else { invariantFailure("a serial read without rows") }
                take(.success(rows), source)
            }
        }
    }

    private func request(for piece: Piece, _ source: ReplicaSource) -> ReadRequest {
        var bounds = piece.bounds
        if let resumeKey {
            bounds = plan.isReversed
                ? KeyBounds(lower: bounds.lower, upper: resumeKey)
                : KeyBounds(lower: resumeKey + [0], upper: bounds.upper)
        }
        let isInside = resumeKey.flatMap(Self.partition) != nil || piece.partition != nil
        let options = source.coordinator.options
        let timeout = piece.partition == nil ? options.rangeTimeout : options.readTimeout
        return ReadRequest(
            storageID: plan.table.storageID,
            bounds: bounds,
            isReversed: plan.isReversed,
            wantsStatic: isInside && !plan.table.statics.isEmpty,
            rowsMax: rowsWanted,
            bytesMax: Self.stretchBytesMax,
            workMax: limits.pageWorkMax,
            now: now,
            timeout: timeout / 1000
        )
    }

    /// The rows that a stretch should have: what the page still lacks if every row is given out, and one to
    /// show that there are more.
    private var rowsWanted: Int {
        guard filters.isEmpty, scanEndings == nil, !plan.isAggregate, !plan.isGrouped else {
            return Self.stretchRowsMax
        }
        var wanted = min(pageSize - rowCount, remaining, Self.stretchRowsMax - 1)
        // Few of many rows of each partition: not too many of the first.
        if perPartitionLimit < wanted { wanted = max(perPartitionLimit, 16) }
        return wanted + 1
    }

    private func take(_ result: Result<MergedAnswers, ReadRefusal>, _ source: ReplicaSource) {
        switch result {
        case .failure(let refusal):
            complete(StatementOutcome(.failure(CQLError(refusal, source.level, source.coordinator))))
        case .success(let merged):
            virtual = merged.memtable
            stretchEnd = merged.horizon
            follow(Result { () throws(CQLError) in try readPieces(nil) }, nil)
        }
    }
}
