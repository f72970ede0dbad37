// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Environment
internal import Model
internal import Node
internal import Storage

/// Where a write that reads first finds the rows that it depends on.
enum RowLookup {
    /// In the store of the shard on whose executor the call is.
    case shard(Shard)
    /// Among what replicas have answered.
    case answers([MergedAnswers])

    /// The image of a row by its whole key.
    func row(
        _ key: [UInt8],
        partitionLength: Int,
        of table: TableSchema,
        now: Int64
    ) throws(CQLError) -> RowImage {
        do throws(StorageError) {
            switch self {
            case .shard(let shard):
                guard let store = shard.store.table(storageID: table.storageID) else {
                    return try image(nil, of: table, now: now)
                }
                return try key.withView { (view) throws(StorageError) in
                    let fragment = try store.get(view, partitionLength: partitionLength)
                    return try image(fragment, of: table, now: now)
                }
            case .answers(let answers):
                let cursor = MergeCursor(
                    sources: answers.map {
                        let memtable = $0.memtable
                        return .memtable(MemtableCursor(memtable), memtable)
                    },
                    lower: key,
                    upper: key + [0]
                )
                return try image(try cursor.next() ? cursor.value : nil, of: table, now: now)
            }
        } catch {
            throw CQLError(storage: error)
        }
    }

    private func image(
        _ fragment: ByteView?,
        of table: TableSchema,
        now: Int64
    ) throws(StorageError) -> RowImage {
        do throws(MalformedBytes) {
            return try RowImage(fragment, now: now)
        } catch {
            throw .corruption(
                CorruptionError(
                    path: "\(table.keyspace).\(table.name)",
                    offset: error.offset,
                    expected: error.expected,
                    found: "another row"
                )
            )
        }
    }
}

/// A write to one partition that reads first: a conditional statement or batch, or one that changes elements of
/// a list by their index.
struct PartitionWrite: Sendable {
    let processor: QueryProcessor
    let table: TableSchema
    /// The partition part of its keys.
    let partition: [UInt8]
    let isConditional: Bool
    let consistency: Consistency
    let serialConsistency: Consistency
    let type: CQLError.WriteType
    let completion: QueryProcessor.Completion
    /// The keys of all rows that the evaluation may look at.
    let keys: @Sendable () throws(CQLError) -> [[UInt8]]
    /// Looks at the rows and makes the mutation, with a timestamp if one is given.
    let evaluate: @Sendable (RowLookup, Int64?) throws(CQLError) -> ConditionalWrite

    func start() {
        let token = partition.withView { Key.token(of: $0) }
        processor.node.shard(of: token).run { shard in
            guard let source = processor.replicas(of: table.keyspace, consistency) else {
                return startHere(shard)
            }
            do throws(CQLError) {
                let reads = try keys().map { read($0, source) }
                if isConditional {
                    propose(reads, source, shard)
                } else {
                    readThenWrite(reads, source, shard, token)
                }
            } catch {
                completion(StatementOutcome(.failure(error)))
            }
        }
    }

    private func read(_ key: [UInt8], _ source: ReplicaSource) -> ReadRequest {
        ReadRequest(
            storageID: table.storageID,
            bounds: KeyBounds(lower: key, upper: key + [0]),
            rowsMax: 1,
            now: processor.node.environment.clock.secondsSinceEpoch(),
            timeout: source.coordinator.options.casTimeout / 1000
        )
    }

    // MARK: This node alone

    /// In one turn of the shard, so that nothing comes between the read and the write.
    private func startHere(_ shard: Shard) {
        shard.store.read { () throws(CQLError) in
            try shard.requireRoom()
            return try evaluate(.shard(shard), nil)
        } done: {
            ConditionalWrite.finish($0, on: shard, completion)
        }
    }

    // MARK: Conditions

    /// What evaluations came to: a write may be evaluated again before it turns out that what was proposed first was
    /// decided.
    private final class Evaluated: @unchecked Sendable {  // Owner: the shard's executor.
        var last: Result<ConditionalWrite, CQLError>?
        /// The last that had something to write.
        var proposed: Result<ConditionalWrite, CQLError>?
    }

    private func propose(_ reads: [ReadRequest], _ source: ReplicaSource, _ shard: Shard) {
        let evaluated = Evaluated()
        let operation = PaxosOperation(
            table: table,
            partition: partition,
            reads: reads,
            serial: serialConsistency,
            level: consistency,
            timeout: source.coordinator.options.casTimeout
        ) { rows, timestamp in
            let result = Result { () throws(CQLError) in
                try evaluate(.answers(rows), timestamp)
            }
            evaluated.last = result
            guard case .success(let write) = result else { return nil }
            guard let mutation = write.mutation, !mutation.isEmpty else { return .keep }
            evaluated.proposed = result
            return .propose(mutation)
        }
        source.coordinator.perform(operation, in: source.keyspace, owner: shard) { result in
            completion(StatementOutcome(outcome(result, evaluated, source)))
        }
    }

    private func outcome(
        _ result: PaxosResult,
        _ evaluated: Evaluated,
        _ source: ReplicaSource
    ) -> Result<StatementResult, CQLError> {
        switch result {
        case .malformed(let id, let error):
            return .failure(CQLError(.malformed(id, error), serialConsistency, source.coordinator))
        case .overloaded(let limit): return .failure(.overloaded(limit))
        case .abandoned:
            if case .failure(let error) = evaluated.last { return .failure(error) }
            return .failure(CQLError(.server, "the condition could not be evaluated"))
        case .finished(let outcome, _):
            if let error = CQLError(outcome, serialConsistency, consistency, isRead: false) {
                return .failure(error)
            }
            let isApplied = outcome == .applied
            guard case .success(let write) = isApplied ? evaluated.proposed : evaluated.last else {
                return .failure(CQLError(.server, "a conditional write ended without evaluation"))
            }
            return .success(write.answer.map { .rows($0) } ?? .void)
        }
    }

    // MARK: Elements of lists

    /// Reads at the write's level and writes. Others may write in between, as with any write without condition.
    private func readThenWrite(
        _ reads: [ReadRequest],
        _ source: ReplicaSource,
        _ shard: Shard,
        _ token: Model.Token
    ) {
        let level: Consistency =
            switch consistency {
            case .any: .one
            case .eachQuorum: .quorum
            default: consistency
            }
        next(reads[...], [], level, source, shard) { result in
            do throws(CQLError) {
                let write = try evaluate(.answers(try result.get()), nil)
                guard let mutation = write.mutation, !mutation.isEmpty else {
                    return completion(StatementOutcome(.success(.void)))
                }
                source.coordinator.write(
                    mutation,
                    token: token,
                    in: source.keyspace,
                    consistency,
                    owner: shard
                ) { outcome in
                    let error = CQLError(outcome, consistency, type, source.coordinator)
                    completion(StatementOutcome(error.map { .failure($0) } ?? .success(.void)))
                }
            } catch {
                completion(StatementOutcome(.failure(error)))
            }
        }
    }

    private func next(
        _ reads: ArraySlice<ReadRequest>,
        _ rows: [MergedAnswers],
        _ level: Consistency,
        _ source: ReplicaSource,
        _ shard: Shard,
        _ done: @escaping @Sendable (Result<[MergedAnswers], CQLError>) -> Void
    ) {
        guard let read = reads.first else { return done(.success(rows)) }
        source.coordinator.read(
            read,
            of: table,
            token: partition.withView { Key.token(of: $0) },
            in: source.keyspace,
            level,
            owner: shard
        ) { result in
            switch result {
            case .failure(let refusal):
                done(.failure(CQLError(refusal, level, source.coordinator)))
            case .success(let merged):
                next(reads.dropFirst(), rows + [merged], level, source, shard, done)
            }
        }
    }
}

extension CQLError {
    /// What a client is told of a Paxos operation that didn't come to an end; nil if it did.
    init?(_ outcome: PaxosOutcome, _ serial: Consistency, _ level: Consistency, isRead: Bool) {
        switch outcome {
        case .applied, .notApplied, .read: return nil
        case .appliedUnconfirmed(let received, let required):
            self.init(
                .writeTimeout(Answers(level, received, required), .simple),
                "the condition held and the write is decided, but only \(received) of \(required) replicas"
                    + " have confirmed it at \(level) in time"
            )
        case .unknown(let received, let required):
            self.init(
                .casWriteUnknown(Answers(serial, received, required)),
                "it isn't known whether the conditional write was applied: \(received) of \(required)"
                    + " replicas have accepted it in time; read at \(serial) to find out"
            )
        case .timeout(let received, let required, let contended):
            let text = "\(received) of \(required) replicas have answered in time, after \(contended) attempts"
                + " that others' came before; nothing was changed"
            if isRead {
                self.init(.readTimeout(Answers(serial, received, required), dataPresent: false), text)
            } else {
                self.init(
                    .writeTimeout(
                        Answers(serial, received, required),
                        .cas,
                        contentions: UInt16(clamping: contended)
                    ),
                    text
                )
            }
        case .unavailable(let required, let alive):
            self = .unavailable(serial, required, alive)
        }
    }
}
