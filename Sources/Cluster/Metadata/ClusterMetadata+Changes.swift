// SPDX-License-Identifier: Apache-2.0

internal import Model

// What each change does, and when it is legal. Deterministic: a function of the metadata and the
// change. May leave the value half changed when it throws; `apply` works on a copy.

extension ClusterMetadata {
    mutating func change(by change: MetadataChange) throws(MetadataRefusal) {
        switch change {
        case .schema(let edits, let base, let version):
            try editSchema(edits, base: base, version: version)
        case .register(let node): try register(node)
        case .startJoin(let id, let tokens, let replaces):
            try startJoin(id, tokens: tokens, replaces: replaces)
        case .handOver(let id):
            try requireNotHandedOver(id)
            try update(id, from: [.joining, .leaving, .moving]) { $0.isHandedOver = true }
        case .finishJoin(let id): try finishJoin(id)
        case .abortJoin(let id):
            try requireNotHandedOver(id)
            try update(id, from: [.joining]) { node in
                node.state = .registered
                node.tokens = []
                node.replaces = nil
            }
        case .startLeave(let id, let force):
            try requireNotReplaced(id)
            try update(id, from: [.normal]) { $0.state = .leaving }
            try requireReplicas(without: id, force: force)
            try requireOperationsApart(of: id)
        case .finishLeave(let id):
            try requireHandedOver(id, in: .leaving)
            try update(id, from: [.leaving]) { Self.retire(&$0) }
            try dropVoter(id)
        case .abortLeave(let id):
            try requireNotHandedOver(id)
            try update(id, from: [.leaving]) { $0.state = .normal }
        case .startMove(let id, let tokens): try startMove(id, tokens: tokens)
        case .finishMove(let id):
            try requireHandedOver(id, in: .moving)
            try update(id, from: [.moving]) { node in
                node.state = .normal
                node.isHandedOver = false
                node.tokens = node.pendingTokens
                node.pendingTokens = []
            }
        case .abortMove(let id):
            try requireNotHandedOver(id)
            try update(id, from: [.moving]) { node in
                node.state = .normal
                node.pendingTokens = []
            }
        case .remove(let id): try remove(id)
        case .changeAddress(let id, let address, let clientAddress):
            try requireFree(address, for: id)
            try update(id, from: NodeState.allCases.filter { $0 != .left }) { node in
                node.address = address
                node.clientAddress = clientAddress
            }
        case .setVoters(let ids): try setVoters(ids)
        }
    }

    // MARK: Schema

    private mutating func editSchema(
        _ edits: [SchemaEdit],
        base: UInt64,
        version: UUID
    ) throws(MetadataRefusal) {
        guard !edits.isEmpty else { throw .noEdits }
        guard base == schema.epoch else {
            throw .schemaChanged(base: base, current: schema.epoch)
        }
        for edit in edits {
            switch edit {
            case .putKeyspace: break
            case .dropKeyspace(let name):
                guard schema.keyspaces[name] != nil else { throw .keyspaceMissing(name) }
            case .putTable(let table):
                guard schema.keyspaces[table.keyspace] != nil else {
                    throw .keyspaceMissing(table.keyspace)
                }
                let named = schema.table(table.keyspace, table.name)
                let known = schema.table(id: table.id)
                let isRenamed = known.map {
                    $0.keyspace != table.keyspace || $0.name != table.name
                }
                if let named, named.id != table.id {
                    throw .tableExists(keyspace: table.keyspace, table: table.name)
                }
                if let known, isRenamed == true {
                    throw .tableExists(keyspace: known.keyspace, table: known.name)
                }
            case .dropTable(let keyspace, let name):
                guard schema.table(keyspace, name) != nil else {
                    throw .tableMissing(keyspace: keyspace, table: name)
                }
            }
            schema.apply(edit, version: version)
        }
        // Other replication may bring operations together that were apart.
        try requireOperationsApart(of: nil)
    }

    // MARK: Coming

    private mutating func register(_ node: NodeRecord) throws(MetadataRefusal) {
        guard node.state == .registered, node.tokens.isEmpty, node.pendingTokens.isEmpty,
            node.replaces == nil
        else { throw .wrongState(node.id, is: node.state, needed: [.registered]) }
        guard index(of: node.id) == nil else { throw .nodeExists(node.id) }
        guard nodes.count < MetadataLimits.nodesMax else {
            throw .tooMany("nodes", limit: MetadataLimits.nodesMax)
        }
        try Self.checkNames(node.location)
        try requireFree(node.address, for: node.id)
        nodes.insert(node, at: nodes.firstIndex { node.id < $0.id } ?? nodes.count)
    }

    private mutating func startJoin(
        _ id: NodeID,
        tokens: [Token],
        replaces: NodeID?
    ) throws(MetadataRefusal) {
        try Self.checkShape(of: tokens, of: id)
        if let replaces {
            guard let old = node(replaces), old.id != id else { throw .nodeUnknown(replaces) }
            guard old.state == .normal else {
                throw .wrongState(replaces, is: old.state, needed: [.normal])
            }
            guard old.tokens == tokens else { throw .notTokensOf(replaces) }
            try requireNotReplaced(replaces)
        } else {
            try requireUnowned(tokens, by: id)
        }
        try update(id, from: [.registered]) { node in
            node.state = .joining
            node.tokens = tokens
            node.replaces = replaces
        }
        try requireOperationsApart(of: id)
    }

    private mutating func finishJoin(_ id: NodeID) throws(MetadataRefusal) {
        try requireHandedOver(id, in: .joining)
        let replaced = node(id)?.replaces
        try update(id, from: [.joining]) { node in
            node.state = .normal
            node.isHandedOver = false
            node.replaces = nil
        }
        guard let replaced else { return }
        try update(replaced, from: [.normal]) { Self.retire(&$0) }
        // Its vote goes on, too: one voter less could be one too few for the next that is lost.
        if voters.contains(replaced) { voters = (voters.filter { $0 != replaced } + [id]).sorted() }
    }

    private mutating func startMove(_ id: NodeID, tokens: [Token]) throws(MetadataRefusal) {
        try Self.checkShape(of: tokens, of: id)
        try requireUnowned(tokens, by: id)
        try requireNotReplaced(id)
        try update(id, from: [.normal]) { node in
            node.state = .moving
            node.pendingTokens = tokens
        }
        try requireOperationsApart(of: id)
    }

    // MARK: Going

    private mutating func remove(_ id: NodeID) throws(MetadataRefusal) {
        guard let place = index(of: id) else { throw .nodeUnknown(id) }
        switch nodes[place].state {
        case .left, .registered:
            nodes.remove(at: place)
        case .joining:
            Self.retire(&nodes[place])
        case .normal, .leaving, .moving:
            try requireNotReplaced(id)
            nodes[place].state = .leaving
            try requireReplicas(without: id, force: true)
            try requireOperationsApart(of: id)
            Self.retire(&nodes[place])
            try dropVoter(id)
        }
    }

    private static func retire(_ node: inout NodeRecord) {
        node.state = .left
        node.tokens = []
        node.pendingTokens = []
        node.replaces = nil
        node.isHandedOver = false
    }

    // MARK: Voters

    private mutating func setVoters(_ ids: [NodeID]) throws(MetadataRefusal) {
        let sorted = ids.sorted()
        guard !ids.isEmpty, ids.count <= MetadataLimits.votersMax else {
            throw .badVoters("1 to \(MetadataLimits.votersMax) nodes are needed")
        }
        guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw .badVoters("one is named twice")
        }
        for id in sorted {
            guard let node = node(id) else { throw .nodeUnknown(id) }
            guard [.normal, .leaving, .moving].contains(node.state) else {
                throw .wrongState(id, is: node.state, needed: [.normal, .leaving, .moving])
            }
        }
        voters = sorted
    }

    private mutating func dropVoter(_ id: NodeID) throws(MetadataRefusal) {
        guard voters.contains(id) else { return }
        guard voters.count > 1 else {
            throw .badVoters("node \(id) is the only one; make others voters first")
        }
        voters.removeAll { $0 == id }
    }

    // MARK: Conditions

    private mutating func update(
        _ id: NodeID,
        from states: [NodeState],
        _ change: (inout NodeRecord) -> Void
    ) throws(MetadataRefusal) {
        guard let place = index(of: id) else { throw .nodeUnknown(id) }
        guard states.contains(nodes[place].state) else {
            throw .wrongState(id, is: nodes[place].state, needed: states)
        }
        change(&nodes[place])
    }

    private func requireFree(_ address: NodeAddress, for id: NodeID) throws(MetadataRefusal) {
        let other = nodes.first { $0.address == address && $0.id != id && $0.state != .left }
        // A replacement may have the address of the node that it replaces, once that has left.
        if let other { throw .addressInUse(address, by: other.id) }
    }

    private func requireUnowned(_ tokens: [Token], by id: NodeID) throws(MetadataRefusal) {
        let wanted = Set(tokens)
        for node in nodes where node.id != id {
            let taken = (node.tokens + node.pendingTokens).first { wanted.contains($0) }
            if let taken { throw .tokenOwned(taken, by: node.id) }
        }
    }

    private func requireHandedOver(_ id: NodeID, in state: NodeState) throws(MetadataRefusal) {
        if let node = node(id), node.state == state, !node.isHandedOver { throw .notHandedOver(id) }
    }

    /// What is read from its new owners can't go back.
    private func requireNotHandedOver(_ id: NodeID) throws(MetadataRefusal) {
        if node(id)?.isHandedOver == true { throw .handedOver(id) }
    }

    private func requireNotReplaced(_ id: NodeID) throws(MetadataRefusal) {
        if let other = nodes.first(where: { $0.replaces == id }) {
            throw .beingReplaced(id, by: other.id)
        }
    }

    /// Whether each keyspace keeps nodes enough when `id`, which is leaving, has left.
    private func requireReplicas(without id: NodeID, force: Bool) throws(MetadataRefusal) {
        let staying = nodes.filter { $0.state == .normal || $0.state == .moving }
        guard !staying.isEmpty else { throw .lastNode(id) }
        guard let dataCenter = node(id)?.location.dataCenter else { throw .nodeUnknown(id) }
        for name in schema.keyspaceNames {
            guard let keyspace = schema.keyspaces[name] else { continue }
            switch ReplicaCounts(keyspace.replication) {
            case .none: break
            case .ring(let replicas):
                try Self.require(replicas, of: staying.count, name, nil, force: force)
            case .dataCenters(let counts):
                let left = staying.count { $0.location.dataCenter == dataCenter }
                let replicas = counts[dataCenter] ?? 0
                try Self.require(replicas, of: left, name, dataCenter, force: force)
            }
        }
    }

    private static func require(
        _ replicas: Int,
        of left: Int,
        _ keyspace: String,
        _ dataCenter: String?,
        force: Bool
    ) throws(MetadataRefusal) {
        guard replicas > 0, left < replicas else { return }
        guard left > 0 else { throw .lastReplica(keyspace: keyspace, dataCenter: dataCenter) }
        guard force else {
            throw .tooFewNodes(
                keyspace: keyspace,
                dataCenter: dataCenter,
                replicas: replicas,
                left: left
            )
        }
    }
}
