// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Bytes
import CQL
internal import Cluster
internal import Environment
import Model
internal import Node

/// What concerns the other nodes too.
extension NodeCommand {
    static let clusterCommands = [
        NodeCommand("status", "The nodes of the cluster: state, load, ownership.", [keyspace]) {
            (arguments, context) throws(AdminFailure) in
            try await status(context, keyspace: arguments.text("keyspace"))
        },
        NodeCommand("ring", "The tokens of the nodes.", [keyspace]) {
            (arguments, context) throws(AdminFailure) in
            try await status(context, keyspace: arguments.text("keyspace"))
        },
        NodeCommand(
            "describecluster",
            "The cluster's name, schema versions, data centers and keyspaces."
        ) { (_, context) throws(AdminFailure) in cluster(context) },
        NodeCommand("gossipinfo", "What gossip knows of each node.") {
            (_, context) throws(AdminFailure) in try await gossip(context)
        },
        NodeCommand("netstats", "Data on its way to or from this node, and hints.") {
            (_, context) throws(AdminFailure) in try await network(context)
        },
        NodeCommand(
            "decommission",
            "Give all data to the others and leave the cluster.",
            [.init("force", .flag, "Even if keyspaces will have fewer replicas than they want.")]
        ) { (arguments, context) throws(AdminFailure) in
            let member = try member(context)
            let force = arguments.flag("force", default: false)
            return try await change(context, context.system.hostID) { done in
                member.decommission(force: force, done: done)
            }
        },
        NodeCommand(
            "move",
            "Give this node other tokens, and all data to those who own it then.",
            [.init("tokens", .texts, "The tokens; without them such that all nodes own about the same.")]
        ) { (arguments, context) throws(AdminFailure) in
            let member = try member(context)
            let tokens = try tokens(arguments.texts("tokens"))
            return try await change(context, context.system.hostID) { done in
                member.move(to: tokens, done: done)
            }
        },
        NodeCommand(
            "abort",
            "Give up a join, a move or a decommission that hasn't handed its data over yet.",
            [.init("host_id", .text, "The host id of the node; without it, this node.")]
        ) { (arguments, context) throws(AdminFailure) in
            let member = try member(context)
            let id = try arguments.text("host_id") == nil ? context.system.hostID : hostID(arguments)
            return try await change(context, id) { done in member.abort(NodeID(id), done: done) }
        },
        NodeCommand(
            "removenode",
            "Remove a node that is down for good; the others get its data from each other.",
            [.init("host_id", .text, "The node's host id, as status shows it.")]
        ) { (arguments, context) throws(AdminFailure) in
            let member = try member(context)
            let id = try hostID(arguments)
            return try await change(context, id) { done in member.removeNode(NodeID(id), done: done) }
        },
        NodeCommand(
            "repair",
            "Compare the replicas of this node's ranges and give each what it lacks.",
            [
                keyspace, tables,
                .init("primary", .flag, "Only the ranges of which this node is the first replica."),
                .init("start_token", .text, "Only tokens behind this one."),
                .init("end_token", .text, "Only tokens up to this one."),
            ]
        ) { (arguments, context) throws(AdminFailure) in try await repair(arguments, context) },
        NodeCommand(
            "rebuild",
            "Fetch all rows of this node's ranges from the other replicas.",
            [keyspace, .init("source", .text, "A data center that has them.")]
        ) { (arguments, context) throws(AdminFailure) in try await rebuild(arguments, context) },
    ]

    private static func hostID(_ arguments: AdminArguments) throws(AdminFailure) -> UUID {
        guard let text = arguments.text("host_id"), let id = UUID(text) else {
            let found = AdminService.quoted(arguments.text("host_id") ?? "")
            throw AdminFailure(.badRequest, "host_id takes a host id as status shows it, not \(found)")
        }
        return id
    }

    /// The tokens of a repair: behind the start up to the end, as in `nodetool`.
    private static func part(_ arguments: AdminArguments) throws(AdminFailure) -> TokenRange {
        let start = try arguments.text("start_token").map { (text) throws(AdminFailure) in try token(text) }
        let end = try arguments.text("end_token").map { (text) throws(AdminFailure) in try token(text) }
        let first = try start.map { (start) throws(AdminFailure) -> Model.Token in
            guard start < (end ?? .max) else {
                throw AdminFailure(
                    .badRequest,
                    "there is no token behind \(start) up to \((end ?? .max)): start_token has to be the smaller one"
                )
            }
            return Model.Token(start.value + 1)
        }
        return TokenRange(first ?? .min, end ?? .max)
    }

    private static func token(_ text: String) throws(AdminFailure) -> Model.Token {
        guard let value = Int64(text) else {
            let found = AdminService.quoted(text)
            throw AdminFailure(.badRequest, "a token is a whole number from -2^63 to 2^63-1, not \(found)")
        }
        return Model.Token(value)
    }

    private static func tokens(_ texts: [String]) throws(AdminFailure) -> [Model.Token] {
        var tokens: Set<Model.Token> = []
        for text in texts {
            guard tokens.insert(try token(text)).inserted else {
                throw AdminFailure(.badRequest, "the token \(text) is named twice")
            }
        }
        return tokens.sorted()
    }

    private static func member(_ context: AdminContext) throws(AdminFailure) -> ClusterMember {
        guard let member = context.node.member else {
            throw AdminFailure(
                .badRequest,
                "this node is on its own: it was started without seeds, so there are no others"
            )
        }
        return member
    }

    // MARK: Status

    private static func status(
        _ context: AdminContext,
        keyspace: String?
    ) async throws(AdminFailure) -> ClusterStatus {
        let load = await context.load()
        guard let member = context.node.member else {
            var own = ClusterStatus.Node()
            own.address = context.address
            own.load = load
            own.hostId = context.system.hostID.description
            own.rack = context.system.rack
            own.tokens = context.system.tokens.sorted().map(\.description)
            return ClusterStatus(
                dataCenters: [.init(name: context.system.dataCenter, nodes: [own])]
            )
        }
        let view = member.coordinator.view
        var map = view.replicated.first?.placement.map
        if let keyspace {
            guard let placement = view.placement(of: keyspace) else {
                throw AdminFailure(.badRequest, "there is no keyspace \(AdminService.quoted(keyspace)) with replicas")
            }
            map = placement.map
        }
        let ownership = map.map { Ownership(effective: $0) }
            ?? Ownership(primary: TokenRing(view.nodes))
        let endpoints = await endpoints(member)
        var centers: [String: [ClusterStatus.Node]] = [:]
        for record in view.nodes where record.state != .left {
            var node = ClusterStatus.Node()
            node.address = record.address.ip.withView { InetText.text($0) } ?? ""
            node.isUp = member.coordinator.isAlive(record.id)
            node.state = "\(record.state)"
            let told = endpoints.first { $0.state.id == record.id }?.state[.load]
            node.load = record.id == view.local ? load : told.flatMap { Int($0) } ?? 0
            node.owns = ownership.percent(of: record.id) / 100
            node.hostId = record.id.description
            node.rack = record.location.rack
            node.tokens = record.tokens.map(\.description)
            centers[record.location.dataCenter, default: []].append(node)
        }
        return ClusterStatus(
            dataCenters: centers.sorted { $0.key < $1.key }.map { .init(name: $0.key, nodes: $0.value) }
        )
    }

    private static func endpoints(_ member: ClusterMember) async -> [ClusterMember.Endpoint] {
        await withCheckedContinuation { continuation in
            member.endpoints { continuation.resume(returning: $0) }
        }
    }

    private static func cluster(_ context: AdminContext) -> ClusterFacts {
        let schema = context.node.schema
        var facts = ClusterFacts()
        facts.name = context.system.clusterName
        facts.partitioner = SystemContext.partitioner
        if let coordinator = context.node.coordinator {
            describe(coordinator, &facts)
        } else {
            facts.schemaVersions = [.init(version: schema.version.description, nodes: [context.address])]
            facts.live = 1
            facts.dataCenters = [.init(name: context.system.dataCenter, nodes: 1, down: 0)]
            let place = "\(context.address):\(context.system.listenPort)"
            facts.databaseVersions = [.init(version: SystemContext.releaseVersion, nodes: [place])]
        }
        for keyspace in schema.keyspaces.values.sorted(by: { $0.name < $1.name }) {
            var options = keyspace.replication
            let name = options.removeValue(forKey: "class") ?? ""
            facts.keyspaces.append(
                .init(
                    name: keyspace.name,
                    replicationClass: name.split(separator: ".").last.map(String.init) ?? "",
                    options: options
                )
            )
        }
        return facts
    }

    private static func describe(_ coordinator: Coordinator, _ facts: inout ClusterFacts) {
        let nodes = coordinator.view.nodes.filter { $0.state != .left }
        var versions: [String: [String]] = [:]
        for node in nodes {
            let isUp = coordinator.isAlive(node.id)
            let version = isUp ? coordinator.schemaVersion(of: node.id)?.description : nil
            versions[version ?? "UNREACHABLE", default: []].append(node.address.description)
            if !isUp {
                facts.unreachable += 1
                continue
            }
            switch node.state {
            case .normal: facts.live += 1
            case .joining, .registered: facts.joining += 1
            case .moving: facts.moving += 1
            case .leaving, .left: facts.leaving += 1
            }
        }
        facts.schemaVersions = versions.sorted { $0.key < $1.key }.map {
            .init(version: $0.key, nodes: $0.value)
        }
        let centers = Dictionary(grouping: nodes) { $0.location.dataCenter }
        facts.dataCenters = centers.sorted { $0.key < $1.key }.map { name, nodes in
            .init(
                name: name,
                nodes: nodes.count,
                down: nodes.count { !coordinator.isAlive($0.id) }
            )
        }
        facts.databaseVersions = [
            .init(version: SystemContext.releaseVersion, nodes: nodes.map(\.address.description))
        ]
    }

    private static func gossip(_ context: AdminContext) async throws(AdminFailure) -> GossipFacts {
        let member = try member(context)
        return GossipFacts(
            nodes: await endpoints(member).map { endpoint in
                GossipFacts.Node(
                    address: endpoint.state.address.description,
                    isAlive: endpoint.isAlive,
                    generation: Int(endpoint.state.generation),
                    heartbeat: Int(endpoint.state.heartbeat),
                    values: endpoint.state.values.map { value in
                        .init(
                            name: value.key.description,
                            version: Int(value.version),
                            text: value.text
                        )
                    }
                )
            }
        )
    }

    private static func network(_ context: AdminContext) async throws(AdminFailure) -> NetworkFacts {
        let member = try member(context)
        var facts = NetworkFacts()
        let view = member.coordinator.view
        facts.mode = view.node(view.local).map { "\($0.state)".uppercased() } ?? "STARTING"
        let transfers = await withCheckedContinuation { continuation in
            member.transfers { continuation.resume(returning: $0) }
        }
        facts.transfers = transfers.map { purpose, progress in
            .init(
                purpose: purpose,
                rangesDone: progress.rangesDone,
                rangesTotal: progress.rangesTotal,
                bytes: progress.bytes + progress.repairedBytes
            )
        }
        let hints = await withCheckedContinuation { continuation in
            member.hints.report { continuation.resume(returning: $0) }
        }
        facts.hints = hints.waiting.map { .init(hostId: $0.node.description, bytes: $0.bytes) }
        facts.hintsKept = hints.kept
        facts.hintsRefused = hints.refused
        let repairs = await withCheckedContinuation { continuation in
            member.repairCounts { continuation.resume(returning: $0) }
        }
        facts.repairsDone = repairs.done
        facts.repairsFailed = repairs.failed
        facts.repairsOverdue = repairs.overdue
        facts.speculativeReads = Int(clamping: member.coordinator.speculationCount)
        facts.droppedRequests = Int(clamping: member.coordinator.expiredCount)
        facts.hintsDelivered = hints.delivered
        return facts
    }

    // MARK: Changes

    private static func change(
        _ context: AdminContext,
        _ id: UUID,
        _ body: (@escaping @Sendable (String?) -> Void) -> Void
    ) async throws(AdminFailure) -> MembershipChange {
        let begin = context.node.environment.clock.monotonicNanoseconds()
        let failure = await withCheckedContinuation { continuation in
            body { continuation.resume(returning: $0) }
        }
        if let failure { throw AdminFailure(.failed, failure) }
        return MembershipChange(
            hostId: id.description,
            milliseconds: context.millisecondsSince(begin)
        )
    }

    private static func repair(
        _ arguments: AdminArguments,
        _ context: AdminContext
    ) async throws(AdminFailure) -> RepairFacts {
        let member = try member(context)
        let keyspace = arguments.text("keyspace")
        let tables = arguments.texts("tables")
        _ = try context.tables(keyspace: keyspace, names: tables)
        let primaryOnly = arguments.flag("primary", default: false)
        let part = try part(arguments)
        let (progress, milliseconds) = try await transfer(context, "repaired") { done in
            member.repair(keyspace: keyspace, tables: tables, primaryOnly: primaryOnly, within: part, done: done)
        }
        return RepairFacts(
            ranges: progress.rangesDone,
            repairedBytes: progress.repairedBytes,
            comparedBytes: progress.comparedBytes,
            milliseconds: milliseconds
        )
    }

    /// Waits for a transfer of rows; what failed of it says how many ranges are done.
    private static func transfer(
        _ context: AdminContext,
        _ done: String,
        _ body: (@escaping @Sendable (RangeTransfer.Progress, String?) -> Void) -> Void
    ) async throws(AdminFailure) -> (progress: RangeTransfer.Progress, milliseconds: Int) {
        let begin = context.node.environment.clock.monotonicNanoseconds()
        let (progress, failure) = await withCheckedContinuation { continuation in
            body { continuation.resume(returning: ($0, $1)) }
        }
        if let failure {
            throw AdminFailure(
                .failed,
                "\(progress.rangesDone) of \(progress.rangesTotal) ranges are \(done), then: \(failure)"
            )
        }
        return (progress, context.millisecondsSince(begin))
    }

    private static func rebuild(
        _ arguments: AdminArguments,
        _ context: AdminContext
    ) async throws(AdminFailure) -> RebuildFacts {
        let member = try member(context)
        let keyspace = arguments.text("keyspace")
        _ = try context.tables(keyspace: keyspace, names: [])
        let view = member.coordinator.view
        if let source = arguments.text("source") {
            let others = Set(view.nodes.filter(\.state.ownsTokens).map(\.location.dataCenter))
                .subtracting([view.localDataCenter]).sorted()
            guard others.contains(source) else {
                let known = others.isEmpty ? "there is no other" : "the others are \(others.joined(separator: ", "))"
                throw AdminFailure(
                    .badRequest,
                    "\(AdminService.quoted(source)) isn't another data center of this cluster: \(known)"
                )
            }
        }
        let (progress, milliseconds) = try await transfer(context, "fetched") { done in
            member.rebuild(keyspace: keyspace, done: done)
        }
        return RebuildFacts(ranges: progress.rangesDone, bytes: progress.bytes, milliseconds: milliseconds)
    }
}
