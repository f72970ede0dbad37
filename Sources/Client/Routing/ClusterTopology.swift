// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Model

/// The nodes of a cluster and what they own, as one of them tells it.
struct ClusterTopology: Sendable {
    struct Node: Hashable, Sendable {
        let id: NodeID
        /// Where clients reach it.
        let host: String
        let port: Int
        let location: NodeLocation
        let tokens: [Token]
    }

    /// In order of their ids.
    private(set) var nodes: [Node] = []
    /// Which nodes of `nodes` are replicas, by keyspace.
    private var maps: [String: ReplicaMap] = [:]

    init() {}

    /// Asks a node.
    ///
    /// - Throws: `ClientError`, also when an answer isn't what the tables `system.local` and `system.peers_v2` are.
    static func read(from client: CQLClient, port: Int) async throws(ClientError) -> ClusterTopology {
        let columns = "host_id, data_center, rack, tokens"
        let local = try await client.cells("SELECT \(columns), rpc_address FROM system.local")
        let peers = try await client.cells("SELECT \(columns), native_address, native_port FROM system.peers_v2")
        let keyspaces = try await client.cells("SELECT keyspace_name, replication FROM system_schema.keyspaces")
        var topology = ClusterTopology()
        for row in local {
            // The node that is asked is reached where it was asked, whatever it calls itself.
            topology.nodes.append(try Node(row, host: client.host, port: port))
        }
        for row in peers {
            guard row.count == 6, let address = row[4], let host = address.withView({ InetText.text($0) }),
                let number = row[5]?.withView({ Int32(cql: $0) })
            else { throw ClientError(.protocolViolation, "system.peers_v2 has a node without an address") }
            topology.nodes.append(try Node(row, host: host, port: Int(number)))
        }
        topology.nodes.sort { $0.id < $1.id }
        topology.setMaps(try keyspaces.map { row throws(ClientError) in try replication(row) })
        return topology
    }

    private mutating func setMaps(_ keyspaces: [(name: String, strategy: ReplicationStrategy?)]) {
        guard let first = nodes.first else { return }
        let records = nodes.map { node in
            let address = NodeAddress(ip: [0, 0, 0, 0], port: 0)
            return NodeRecord(
                id: node.id,
                address: address,
                clientAddress: address,
                location: node.location,
                state: .normal,
                tokens: node.tokens
            )
        }
        var made: [ReplicationStrategy: ReplicaMap] = [:]
        for keyspace in keyspaces {
            // Any node serves what each has for itself.
            guard let strategy = keyspace.strategy, strategy != .local else { continue }
            let map = made[strategy] ?? ReplicaMap(strategy, nodes: records, local: first.id)
            made[strategy] = map
            maps[keyspace.name] = map
        }
    }

    /// The replicas of a partition, the primary first; none if that can't be told.
    func replicas(of token: Token, in keyspace: String) -> [NodeID] {
        maps[keyspace]?.replicas(of: token).natural ?? []
    }

    private static func replication(
        _ row: [[UInt8]?]
    ) throws(ClientError) -> (name: String, strategy: ReplicationStrategy?) {
        guard row.count == 2, let name = row[0], let map = row[1] else {
            throw ClientError(.protocolViolation, "system_schema.keyspaces has a keyspace without replication")
        }
        let words = try texts(map, isMap: true)
        var options: [String: String] = [:]
        for index in stride(from: 0, to: words.count - 1, by: 2) { options[words[index]] = words[index + 1] }
        return (String(decoding: name, as: UTF8.self), ReplicationStrategy(options: options))
    }

    /// The elements of a set of texts, or keys and values of a map in turn.
    fileprivate static func texts(_ bytes: [UInt8], isMap: Bool = false) throws(ClientError) -> [String] {
        do throws(MalformedBytes) {
            return try bytes.withView { (view) throws(MalformedBytes) in
                var elements = try isMap ? ElementReader(map: view) : ElementReader(collection: view)
                var texts: [String] = []
                while !elements.isAtEnd { texts.append(String(cql: try elements.next() ?? .empty)) }
                return texts
            }
        } catch {
            throw ClientError(.protocolViolation, "a system table has a collection that ends early: \(error)")
        }
    }
}

extension ClusterTopology.Node {
    /// - Parameter row: host_id, data_center, rack, tokens, and more.
    fileprivate init(_ row: [[UInt8]?], host: String, port: Int) throws(ClientError) {
        guard row.count >= 4, let id = row[0]?.withView({ UUID($0) }), let dataCenter = row[1], let rack = row[2],
            let tokens = row[3]
        else { throw ClientError(.protocolViolation, "the system tables have a node without a place in the ring") }
        self.init(
            id: NodeID(id),
            host: host,
            port: port,
            location: NodeLocation(
                dataCenter: String(decoding: dataCenter, as: UTF8.self),
                rack: String(decoding: rack, as: UTF8.self)
            ),
            tokens: try ClusterTopology.texts(tokens).compactMap { Int64($0).map { Token($0) } }.sorted()
        )
    }
}

extension CQLClient {
    /// The rows of a query's first page.
    fileprivate func cells(_ text: String) async throws(ClientError) -> [[[UInt8]?]] {
        guard case .result(.rows(let rows)) = try await query(text).response else {
            throw ClientError(.protocolViolation, "the server answered \(text) without rows")
        }
        return rows.arrays
    }
}
