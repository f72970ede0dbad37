// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Environment
internal import Model
internal import Synchronization

/// How a client follows a cluster: which nodes there are, and the connections to them.
extension ClusterClient {
    /// Takes what the cluster is now. Gives the nodes of the data center that somebody has to reach.
    func take(_ topology: ClusterTopology) -> [ClusterTopology.Node] {
        let (missing, gone) = state.withLock { state -> ([ClusterTopology.Node], [CQLClient]) in
            let former = state.members
            let router = state.router
            let nodes = topology.nodes.filter { $0.location.dataCenter == dataCenter }
            state.topology = topology
            state.members = nodes.map { Member(node: $0) }
            state.router = NodeRouter(routing.strategy, routing.breaker, nodes: nodes.map { routerNode($0, nil) })
            var gone: [CQLClient] = []
            for (number, member) in former.enumerated() {
                guard let index = state.index(of: member.node.id), nodes[index].host == member.node.host else {
                    if let client = member.client { gone.append(client) }
                    continue
                }
                state.members[index].client = member.client
                state.members[index].isConnecting = member.isConnecting
                state.router.adopt(index, from: router, number)
            }
            var missing: [ClusterTopology.Node] = []
            for index in state.members.indices
            where state.members[index].client == nil && !state.members[index].isConnecting {
                state.members[index].isConnecting = true
                missing.append(state.members[index].node)
            }
            return (missing, gone)
        }
        for client in gone { spawn { _ in await client.close() } }
        return missing
    }

    private func routerNode(_ node: ClusterTopology.Node, _ shards: Int?) -> NodeRouter.Node {
        let name = "\(localHost) \(node.host):\(node.port)"
        let hash = Array(name.utf8).withView { Checksum.xxh3($0, seed: 0) }
        return NodeRouter.Node(weight: routing.weights[node.host] ?? Double(shards ?? 1), hash: hash)
    }

    /// Connects to a node once; true when it is connected, or nobody wants it to be any more.
    func reach(_ node: ClusterTopology.Node) async -> Bool {
        var settings = settings
        settings.hosts = [node.host]
        settings.port = node.port
        settings.onEvent = nil
        settings.onDisconnect = { [weak self] in self?.lost(node) }
        if state.withLock({ $0.isClosed }) { return true }
        let client = try? await CQLClient.connect(settings, on: group)
        let isWanted = state.withLock { state -> Bool in
            guard !state.isClosed, let index = state.index(of: node.id), state.members[index].node.host == node.host
            else { return false }
            if let client {
                state.members[index].client = client
                state.members[index].isConnecting = false
                state.router.setWeight(index, routing.weights[node.host] ?? Double(client.shardCount))
            }
            return true
        }
        if !isWanted { await client?.close() }
        return client != nil || !isWanted
    }

    func keepTrying(_ node: ClusterTopology.Node) async {
        var delay = ClusterClient.retryDelayMin
        while true {
            await ClusterClient.pause(delay)
            if await reach(node) { return }
            delay = min(delay * 2, ClusterClient.retryDelayMax)
        }
    }

    /// A connection to a node has ended: all are made anew.
    private func lost(_ node: ClusterTopology.Node) {
        let client = state.withLock { state -> CQLClient? in
            guard !state.isClosed, let index = state.index(of: node.id), !state.members[index].isConnecting,
                let client = state.members[index].client
            else { return nil }
            state.members[index].client = nil
            state.members[index].isConnecting = true
            return client
        }
        guard let client else { return }
        spawn {
            let sentence = "a connection to \(node.host):\(node.port) has ended, and all are made anew"
            await client.close(because: ClientError(.connection, sentence))
            if await !$0.reach(node) { await $0.keepTrying(node) }
        }
    }

    private static func pause(_ nanoseconds: UInt64) async {
        // tidy: sleep: a client is outside of the simulator, and its pauses end when it is closed
        try? await Task.sleep(nanoseconds: nanoseconds)
    }

    // MARK: Events

    /// Connects to a node that tells of the cluster's changes, until one is found.
    func connectControl() async {
        var delay = ClusterClient.retryDelayMin
        while true {
            let hosts = state.withLock { state -> [(String, Int)] in
                state.members.filter { $0.client != nil }.map { ($0.node.host, $0.node.port) }
                    .shuffled(using: &state.random)
                    + settings.hosts.map { ($0, settings.port) }
            }
            for (host, port) in hosts {
                if state.withLock({ $0.isClosed }) { return }
                if await openControl(host, port) { return changed() }
            }
            await ClusterClient.pause(delay)
            delay = min(delay * 2, ClusterClient.retryDelayMax)
        }
    }

    private func openControl(_ host: String, _ port: Int) async -> Bool {
        var settings = settings
        settings.hosts = [host]
        settings.port = port
        settings.connections = .count(1)
        settings.onEvent = { [weak self] event in
            self?.settings.onEvent?(event)
            self?.changed()
        }
        settings.onDisconnect = { [weak self] in
            guard let self, let old = self.state.withLock({ $0.isClosed ? nil : $0.control.take() }) else { return }
            self.spawn {
                await old.close()
                await $0.connectControl()
            }
        }
        guard let control = try? await CQLClient.connect(settings, on: group) else { return false }
        let isRegistered = (try? await control.register(EventType.allCases)) != nil
        let isOpen = isRegistered && state.withLock { state in
            guard !state.isClosed, control.connectionCount > 0 else { return false }
            state.control = control
            return true
        }
        if !isOpen { await control.close() }
        return isOpen
    }

    /// Something has changed: asks what the cluster is now, once for several changes that come together.
    private func changed() {
        let control = state.withLock { state -> CQLClient? in
            state.isStale = true
            guard !state.isRefreshing, !state.isClosed, let control = state.control else { return nil }
            state.isRefreshing = true
            return control
        }
        guard let control else { return }
        spawn { await $0.refresh(control) }
    }

    private func refresh(_ control: CQLClient) async {
        repeat {
            state.withLock { $0.isStale = false }
            let port = state.withLock { $0.members.first { $0.node.host == control.host }?.node.port }
            if let topology = try? await ClusterTopology.read(from: control, port: port ?? settings.port) {
                for node in take(topology) {
                    spawn { if await !$0.reach(node) { await $0.keepTrying(node) } }
                }
            }
        } while state.withLock { state in
            state.isRefreshing = state.isStale && !state.isClosed
            return state.isRefreshing
        }
    }
}
