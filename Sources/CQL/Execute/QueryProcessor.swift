// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import CQLProtocol
internal import Cluster
package import Environment
package import Model
package import Node
package import Storage
import Synchronization

/// Where a statement comes from.
package struct StatementOrigin: Sendable {
    /// The connection's keyspace, for unqualified names.
    package var keyspace: String?
    /// The shard on whose executor the call is made; nil when it isn't made on any.
    package var shard: Shard?

    package init(keyspace: String? = nil, shard: Shard? = nil) {
        self.keyspace = keyspace
        self.shard = shard
    }
}

/// What a statement gave: a result or an error, and warnings.
package struct StatementOutcome: Sendable {
    package var result: Result<StatementResult, CQLError>
    package var warnings: [String]
    /// What a read cost. Of a read of one row by its key nothing is counted.
    package var cost = ReadCost()

    package init(_ result: Result<StatementResult, CQLError>, warnings: [String] = []) {
        self.result = result
        self.warnings = warnings
    }
}

/// The limits of what a client may ask.
package struct QueryLimits: Sendable {
    /// The longest text of a statement, in bytes.
    package var statementSizeMax = 16 << 20
    /// How many prepared statements are kept.
    package var preparedStatementsMax = 10_000
    /// A batch of more bytes than this is refused.
    package var batchSizeFail = 16 << 20
    /// A page of a read ends when it has looked at this many row fragments and deletions, however few
    /// rows it has.
    package var pageWorkMax = 100_000
    /// A read of more deletions than this for one page warns the client.
    package var tombstoneWarnThreshold = 1000

    package init() {}
}

/// Executes CQL on a node: parses, plans, and hands reads and writes to the shards.
///
/// Any thread may call it. A completion is called on the thread that finishes the statement: the
/// caller's own, within the call, when everything is at hand.
package final class QueryProcessor: Sendable {
    package typealias Completion = @Sendable (StatementOutcome) -> Void

    package let node: Node
    let system: SystemContext
    package let limits: QueryLimits
    private let prepared: StatementCache
    let clock: WriteClock
    let batchLog = BatchLog()
    /// The reads of each shard that others may join.
    let sharedReads: [SharedReads]
    /// The scratch memory of each shard's executor.
    private let builders: [WriteBuilder]
    /// Told of every schema change, for events.
    private let onSchemaChange: @Sendable (SchemaNotice) -> Void

    /// The keyspaces that every node has, to open it with.
    package static let systemSchema: Schema = {
        var schema = SystemSchema.schema
        schema.apply(.putTable(BatchLog.table), version: schema.version)
        schema.apply(.putTable(PaxosStore.table), version: schema.version)
        return schema
    }()

    package init(
        node: Node,
        system: SystemContext,
        limits: QueryLimits = QueryLimits(),
        onSchemaChange: @escaping @Sendable (SchemaNotice) -> Void = { _ in }
    ) {
        self.node = node
        self.system = system
        self.limits = limits
        self.onSchemaChange = onSchemaChange
        prepared = StatementCache(
            shardCount: node.shards.count,
            countMax: limits.preparedStatementsMax
        )
        let random = node.environment.random
        builders = node.shards.map { _ in WriteBuilder(random: random) }
        clock = WriteClock(node.environment.clock)
        sharedReads = node.shards.map { _ in SharedReads() }
    }

    /// How many reads have had the answer of another that asked the same.
    package var joinedReadCount: Int { sharedReads.reduce(0) { $0 + $1.joinedCount } }

    // MARK: Requests

    /// Executes a statement's text.
    package func query(
        _ text: String,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) {
        do throws(CQLError) {
            let keyspace = parameters.keyspace ?? origin.keyspace
            let statement = try plan(text, keyspace, schema(origin))
            try execute(statement, parameters, origin, completion)
        } catch {
            completion(StatementOutcome(.failure(error)))
        }
    }

    /// Prepares a statement.
    package func prepare(
        _ text: String,
        _ origin: StatementOrigin
    ) -> Result<PreparedResult, CQLError> {
        do throws(CQLError) {
            let statement = try plan(text, origin.keyspace, schema(origin))
            prepared.remember(statement, shard: origin.shard)
            return .success(
                PreparedResult(
                    id: statement.id,
                    resultMetadataID: statement.result.identifier,
                    bind: statement.bind,
                    result: ResultMetadata(columns: statement.result)
                )
            )
        } catch {
            return .failure(error)
        }
    }

    /// Executes a prepared statement.
    package func execute(
        _ id: StatementID,
        resultMetadataID: StatementID?,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) {
        do throws(CQLError) {
            let statement = try find(id, origin)
            var parameters = parameters
            if let known = resultMetadataID, known != statement.result.identifier {
                // The client's columns are out of date: it gets the new ones.
                parameters.skipMetadata = false
            }
            try execute(statement, parameters, origin, completion)
        } catch {
            completion(StatementOutcome(.failure(error)))
        }
    }

    /// Executes a batch of statements.
    package func batch(
        _ request: BatchRequest,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) {
        do throws(CQLError) {
            var writes: [(PreparedStatement, BoundValues)] = []
            for entry in request.entries {
                let statement: PreparedStatement
                switch entry.statement {
                case .prepared(let id): statement = try find(id, origin)
                case .text(let text):
                    let keyspace = request.keyspace ?? origin.keyspace
                    statement = try plan(text, keyspace, schema(origin))
                }
                writes.append((statement, entry.values))
            }
            let execution = BatchExecution(
                processor: self,
                consistency: request.consistency,
                completion: completion
            )
            try execution.start(writes, request, origin)
        } catch {
            completion(StatementOutcome(.failure(error)))
        }
    }

    // MARK: Statements

    private var systemTables: SystemTables {
        SystemTables(
            context: system,
            tasks: node.tasks,
            clock: node.environment.clock,
            coordinator: node.coordinator,
            damages: node.quarantine.damages
        ) { [node] index, table in
            node.progress(of: index, table)
        }
    }

    /// The scratch memory of the shard on whose executor the call is; else new one.
    func builder(_ shard: Shard?) -> WriteBuilder {
        guard let shard, shard.executor.isCurrent else {
            return WriteBuilder(random: node.environment.random)
        }
        return builders[shard.index]
    }

    private func schema(_ origin: StatementOrigin) -> Schema {
        origin.shard?.schema ?? node.schema
    }

    func plan(
        _ text: String,
        _ keyspace: String?,
        _ schema: Schema
    ) throws(CQLError) -> PreparedStatement {
        let parsed: ParsedStatement
        do throws(SyntaxError) {
            var syntax = SyntaxLimits()
            syntax.statementSizeMax = limits.statementSizeMax
            parsed = try CQLParser.parse(text, limits: syntax)
        } catch {
            throw CQLError(.syntax, error.description)
        }
        return PreparedStatement(
            text: text,
            keyspace: keyspace,
            epoch: schema.epoch,
            parsed: parsed,
            planned: try Planner.plan(parsed, schema, keyspace: keyspace),
            shardCount: node.shards.count
        )
    }

    /// The prepared statement of an id, planned anew if the schema has changed since.
    private func find(
        _ id: StatementID,
        _ origin: StatementOrigin
    ) throws(CQLError) -> PreparedStatement {
        let schema = schema(origin)
        let known = try prepared.find(id, shard: origin.shard) { (shared) throws(CQLError) in
            try plan(shared.text, shared.keyspace, schema)
        }
        guard let statement = known else {
            throw CQLError(
                .unprepared(id),
                "Prepared query with ID \(id) not found (either the query was not prepared on this"
                    + " host, or it was evicted): prepare it again"
            )
        }
        guard statement.epoch != schema.epoch else { return statement }
        let fresh: PreparedStatement
        do throws(CQLError) {
            fresh = try plan(statement.text, statement.keyspace, schema)
        } catch {
            prepared.forget(id, shard: origin.shard)
            throw error
        }
        guard fresh.id == id else {
            prepared.forget(id, shard: origin.shard)
            throw CQLError(
                .unprepared(id),
                "Prepared query with ID \(id) was for a table that was dropped since: prepare it again"
            )
        }
        prepared.remember(fresh, shard: origin.shard)
        return fresh
    }

    private func execute(
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) throws(CQLError) {
        switch statement.plan {
        case .select(let plan):
            try parameters.requireReadable()
            let remote = replicas(of: plan.table.keyspace, parameters.consistency)
            let isSerialHere = remote == nil && parameters.consistency.isSerial
            let completion = isSerialHere ? afterSync(completion) : completion
            if !statement.pointReaders.isEmpty, parameters.pagingState == nil,
                remote?.level.isSerial != true
            {
                return try readPoint(
                    plan,
                    statement,
                    statement.pointReaders,
                    parameters,
                    origin,
                    remote,
                    completion
                )
            }
            let request = try bind(statement, parameters) { (bindings) throws(CQLError) in
                try SelectRequest(plan, bindings, parameters, node.shardMap, remote?.map)
            }
            let virtual = SystemSchema.isVirtual(plan.table)
                ? systemTables.memtable(for: plan.table, schema: schema(origin))
                : nil
            let question = remote == nil && plan.isShareable && plan.restrictions.namesPartitions
                ? request.question(statement, parameters) : nil
            try SelectExecution(
                request,
                question: question,
                of: self,
                virtual: virtual,
                remote: remote,
                completion: completion
            ).start()
        case .write(let plan):
            try parameters.requireWritable()
            try WriteExecution(
                processor: self,
                consistency: parameters.consistency,
                completion: completion
            ).start(plan, statement, parameters, origin)
        case .batch(let plan):
            try parameters.requireWritable()
            try BatchExecution(
                processor: self,
                consistency: parameters.consistency,
                completion: completion
            ).start(plan, statement, parameters, origin)
        case .other(let statement):
            execute(statement, origin, completion)
        }
    }

    /// A serial read sees nothing that a crash could take back: it is answered when what it saw is durable.
    private func afterSync(_ completion: @escaping Completion) -> Completion {
        { [node] outcome in
            node.onEachShard({ shard, finish in shard.store.whenDurable(finish) }) { error in
                guard let error else { return completion(outcome) }
                completion(StatementOutcome(.failure(CQLError(storage: error))))
            }
        }
    }

    /// Calls `body` with the values of a request, checked against the statement's markers. The memory
    /// for them is `scratch`'s, if it is given.
    func bind<R>(
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        scratch: WriteBuilder? = nil,
        _ body: (borrowing Bindings) throws(CQLError) -> R
    ) throws(CQLError) -> R {
        try bind(
            statement,
            parameters.values,
            timestamp: parameters.defaultTimestamp,
            nowInSeconds: parameters.nowInSeconds,
            scratch: scratch,
            body
        )
    }

    func bind<R>(
        _ statement: PreparedStatement,
        _ values: BoundValues,
        timestamp: Int64?,
        nowInSeconds: Int32?,
        scratch: WriteBuilder? = nil,
        _ body: (borrowing Bindings) throws(CQLError) -> R
    ) throws(CQLError) -> R {
        let count = statement.markerNames.count
        let server = clock.next()
        return try values.withCursor { (cursor) throws(CQLError) -> R in
            var bound: [BoundValue] = []
            if let scratch {
                swap(&bound, &scratch.values)
                bound.removeAll(keepingCapacity: true)
            }
            bound.reserveCapacity(count)
            if values.isNamed {
                var named: [String: BoundValue] = [:]
                while let (name, value) = cursor.next() {
                    named[name.map { String(decoding: $0.buffer, as: UTF8.self) } ?? ""] = value
                }
                for (index, specification) in statement.bind.columns.columns.enumerated() {
                    let name = statement.markerNames[index] ?? specification.name
                    guard let value = named[name] else {
                        throw .invalid("a value is missing for bind marker '\(name)'")
                    }
                    bound.append(value)
                }
            } else {
                while let (_, value) = cursor.next() { bound.append(value) }
                guard bound.count == count else {
                    throw .invalid(
                        "Invalid amount of bind variables: there were \(count) markers(?) in CQL but"
                            + " \(bound.count) bound variables"
                    )
                }
            }
            let now = nowInSeconds.map { Int64($0) } ?? server / 1_000_000
            let functions = FunctionContext(
                random: node.environment.random,
                microseconds: server
            )
            let bindings = Bindings(
                values: bound,
                timestamp: timestamp ?? server,
                now: now,
                functions: functions
            )
            defer { scratch?.values = bindings.values }
            return try body(bindings)
        }
    }

    // MARK: Other statements

    private func execute(
        _ statement: Statement,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) {
        switch statement {
        case .use(let name):
            guard node.schema.keyspaces[name.name] != nil else {
                return completion(
                    StatementOutcome(
                        .failure(.invalid("\(name.position) Keyspace '\(name.name)' does not exist"))
                    )
                )
            }
            completion(StatementOutcome(.success(.setKeyspace(name.name))))
        case .describe(let describe):
            completion(StatementOutcome(self.describe(describe, origin)))
        case .explain:
            completion(StatementOutcome(.failure(.notYet("EXPLAIN"))))
        default:
            changeSchema(statement, origin, completion)
        }
    }

    /// How many nodes each data center has.
    private var nodeCounts: [String: Int] {
        guard let view = node.coordinator?.view else { return [system.dataCenter: 1] }
        var counts: [String: Int] = [:]
        for node in view.nodes where node.state.ownsTokens {
            counts[node.location.dataCenter, default: 0] += 1
        }
        return counts
    }

    private func changeSchema(
        _ statement: Statement,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) {
        let keyspace = origin.keyspace
        let random = node.environment.random
        let now = node.environment.clock.microsecondsSinceEpoch()
        let nodeCounts = nodeCounts
        let planned = Mutex<SchemaPlan?>(nil)
        let box = Box(planned)
        node.changeSchema({ (schema) throws(CQLError) -> [SchemaEdit] in
            let plan = try SchemaPlanner.plan(
                statement,
                schema: schema,
                currentKeyspace: keyspace,
                nodeCounts: nodeCounts,
                now: now,
                newID: { UUID(random: random.next(), random.next()) }
            )
            box.value.withLock { $0 = plan }
            return plan.edits
        }) { [self] result in
            let plan = box.value.withLock { $0 }
            switch result {
            case .failure(.refused(let error)):
                completion(StatementOutcome(.failure(error)))
            case .failure(.storage(let error)):
                completion(StatementOutcome(.failure(CQLError(storage: error))))
            case .failure(.cluster(let text)):
                completion(StatementOutcome(.failure(CQLError(.server, text))))
            case .success:
                let warnings = plan?.warnings ?? []
                guard let change = plan?.change, !(plan?.edits.isEmpty ?? true) else {
                    return completion(StatementOutcome(.success(.void), warnings: warnings))
                }
                onSchemaChange(change)
                completion(StatementOutcome(.success(.schemaChange(change)), warnings: warnings))
            }
        }
    }

    private final class Box<Value: ~Copyable>: Sendable where Value: Sendable {
        let value: Value
        init(_ value: consuming Value) { self.value = value }
    }

    private func describe(
        _ statement: DescribeStatement,
        _ origin: StatementOrigin
    ) -> Result<StatementResult, CQLError> {
        let describer = Describer(
            keyspaces: schema(origin).keyspaces,
            currentKeyspace: origin.keyspace,
            cluster: ClusterDescription(
                name: system.clusterName,
                partitioner: "Murmur3Partitioner",
                snitch: "SimpleSnitch"
            )
        )
        do throws(DescribeError) {
            return .success(.rows(DescribeRows.rows(try describer.describe(statement))))
        } catch {
            return .failure(.invalid(error.message))
        }
    }
}

/// Gives write timestamps: microseconds since 1970, never the same twice and never going back.
package final class WriteClock: Sendable {
    private let clock: any Clock
    private let last = Atomic<Int64>(0)

    package init(_ clock: any Clock) { self.clock = clock }

    /// The next timestamp.
    package func next() -> Int64 {
        let now = clock.microsecondsSinceEpoch()
        var seen = last.load(ordering: .relaxed)
        while true {
            let next = max(now, seen &+ 1)
            let (exchanged, original) = last.compareExchange(
                expected: seen,
                desired: next,
                ordering: .relaxed
            )
            if exchanged { return next }
            seen = original
        }
    }
}

extension QueryParameters {
    /// Refuses levels that reads don't have.
    func requireReadable() throws(CQLError) {
        switch consistency {
        case .any: throw .invalid("ANY ConsistencyLevel is only supported for writes")
        case .eachQuorum: throw .invalid("EACH_QUORUM ConsistencyLevel is only supported for writes")
        default: break
        }
    }

    /// Refuses levels that writes don't have.
    func requireWritable() throws(CQLError) {
        if consistency.isSerial {
            throw .invalid(
                "You must use conditional updates for serializable writes; \(consistency) is not a"
                    + " level of a write"
            )
        }
    }
}
