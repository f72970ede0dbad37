// SPDX-License-Identifier: Apache-2.0

import CQL
import CQLProtocol
internal import Cluster
internal import Environment
import Foundation
import Model
internal import Node
import Storage
import Transport

/// The node's part in a cluster: its network, the thread of its membership, and the settings that they need.
final class ClusterPart: Sendable {
    let member: ClusterMember
    private let network: InternodeNetwork
    private let control: ThreadExecutor

    /// Starts to speak with other nodes; nil for a node without seeds.
    static func start(
        _ configuration: Configuration,
        _ node: Node,
        _ loops: ShardLoops,
        notice: @escaping @Sendable (String) -> Void
    ) async throws -> ClusterPart? {
        guard let settings = try ClusterSettings(configuration) else { return nil }
        var internode = InternodeSettings(address: settings.address, cluster: settings.clusterName)
        internode.certificates = try InternodeCertificates(configuration)
        let network = try await InternodeNetwork.start(
            internode,
            on: loops,
            notice: notice
        )
        let control = ThreadExecutor(name: "cluster")
        do {
            let member = try ClusterMember.start(
                node,
                settings,
                network: network,
                control: control,
                options: CoordinatorOptions(configuration),
                notice: notice
            )
            return ClusterPart(member, network, control)
        } catch {
            await network.shutdown()
            control.stop()
            throw error
        }
    }

    private init(_ member: ClusterMember, _ network: InternodeNetwork, _ control: ThreadExecutor) {
        self.member = member
        self.network = network
        self.control = control
    }

    /// Waits until the node owns its tokens.
    func ready() async {
        await withCheckedContinuation { continuation in
            member.whenReady { continuation.resume() }
        }
    }

    /// Tells the others that this node goes, and stops.
    func stop() async {
        await withCheckedContinuation { continuation in
            member.stop { continuation.resume() }
        }
        await network.shutdown()
        control.stop()
    }
}

extension InternodeCertificates {
    /// Nil when connections between nodes aren't encrypted.
    ///
    /// - Throws: `ConfigurationProblem` for a file that isn't named.
    init?(_ configuration: Configuration) throws {
        guard configuration.internodeEncryption == .all else { return nil }
        func file(_ path: String?, _ setting: String) throws -> String {
            guard let path else { throw ConfigurationProblem("internode_encryption: all needs \(setting)") }
            return path
        }
        self.init(
            certificate: try file(configuration.internodeCertificate, "internode_certificate"),
            key: try file(configuration.internodeKey, "internode_key"),
            authority: try file(configuration.internodeAuthority, "internode_authority")
        )
    }
}

extension CoordinatorOptions {
    init(_ configuration: Configuration) {
        self.init()
        readTimeout = configuration.readRequestTimeout.nanoseconds
        rangeTimeout = configuration.rangeRequestTimeout.nanoseconds
        writeTimeout = configuration.writeRequestTimeout.nanoseconds
        casTimeout = configuration.casContentionTimeout.nanoseconds
    }
}

extension Duration {
    /// The whole in nanoseconds.
    fileprivate var nanoseconds: UInt64 { UInt64(max(self / .nanoseconds(1), 0)) }
}

extension ClusterSettings {
    /// What a configuration says of a node's cluster; nil without seeds.
    ///
    /// - Throws: `ConfigurationProblem` for a value that can't be.
    init?(_ configuration: Configuration) throws {
        guard let seeds = configuration.seeds else { return nil }
        let port = configuration.storagePort
        let listen = configuration.listenAddress ?? configuration.rpcAddress
        let client = configuration.broadcastRPCAddress ?? configuration.rpcAddress
        self.init(
            clusterName: configuration.clusterName,
            address: try Self.address(listen, port: port, "listen_address"),
            clientAddress: try Self.address(
                client,
                port: configuration.nativeTransportPort,
                configuration.broadcastRPCAddress == nil ? "rpc_address" : "broadcast_rpc_address"
            ),
            location: try Self.location(configuration)
        )
        self.seeds = try Self.list(seeds).map { try Self.address($0, port: port, "seeds") }
        tokenCount = configuration.tokenCount
        repairsBySchedule = configuration.autoRepair == .enabled
        if let text = configuration.initialToken {
            initialTokens = try Self.list(text).map { word in
                guard let value = Int64(word) else {
                    throw ConfigurationProblem("initial_token: '\(word)' isn't a token, a whole number")
                }
                return Token(value)
            }.sorted()
        }
        if let text = configuration.replaceAddress {
            replaces = try Self.address(text, port: port, "replace_address_first_boot")
        }
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
    }

    /// `10.0.0.1`, `10.0.0.1:7000`, `::1` or `[::1]:7000`.
    private static func address(_ text: String, port: Int, _ name: String) throws -> NodeAddress {
        var host = Substring(text)
        var port = port
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty { port = try Self.port(rest.dropFirst(), text, name) }
        } else if text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = try Self.port(text[text.index(after: colon)...], text, name)
        }
        guard let ip = try? CQLType.inet.parse(text: String(host)), ip.count == 4 || ip.count == 16 else {
            throw ConfigurationProblem("\(name): '\(text)' isn't an IP address, with or without a port")
        }
        guard !ip.allSatisfy({ $0 == 0 }) else {
            let advice = name == "rpc_address"
                ? "set broadcast_rpc_address" : "name the address where others reach this node"
            throw ConfigurationProblem("\(name): others can't connect to \(text); \(advice)")
        }
        return NodeAddress(ip: ip, port: UInt16(port))
    }

    private static func port(_ text: Substring, _ whole: String, _ name: String) throws -> Int {
        guard let port = UInt16(text), port > 0 else {
            throw ConfigurationProblem("\(name): '\(text)' in '\(whole)' isn't a port from 1 to 65535")
        }
        return Int(port)
    }

    private static func location(_ configuration: Configuration) throws -> NodeLocation {
        guard let file = configuration.rackDCFile else {
            return NodeLocation(dataCenter: configuration.dataCenter, rack: configuration.rack)
        }
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw ConfigurationProblem("rackdc_file: cannot read \(file)")
        }
        do {
            return try RackProperties(parsing: String(decoding: bytes, as: UTF8.self)).location
        } catch {
            throw ConfigurationProblem("rackdc_file: \(file): \(error)")
        }
    }
}

/// A setting whose value can't be used, in a sentence.
struct ConfigurationProblem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension Event {
    /// What clients are told of another node.
    init(_ event: ClusterEvent) {
        switch event {
        case .added(let address): self = .topologyChange(.added, Endpoint(address))
        case .removed(let address): self = .topologyChange(.removed, Endpoint(address))
        case .up(let address): self = .statusChange(.up, Endpoint(address))
        case .down(let address): self = .statusChange(.down, Endpoint(address))
        }
    }
}

extension Endpoint {
    fileprivate init(_ address: NodeAddress) {
        self.init(address: address.ip, port: Int32(address.port))
    }
}

extension SchemaNotice {
    /// What clients are told of edits that another node's client has made.
    static func notices(of edits: [SchemaEdit]) -> [SchemaNotice] {
        edits.map { edit in
            switch edit {
            case .putKeyspace(let name, _, _):
                SchemaNotice(.updated, keyspace: name, target: .keyspace)
            case .dropKeyspace(let name): SchemaNotice(.dropped, keyspace: name, target: .keyspace)
            case .putTable(let table):
                SchemaNotice(.updated, keyspace: table.keyspace, target: .table(table.name))
            case .dropTable(let keyspace, let name):
                SchemaNotice(.dropped, keyspace: keyspace, target: .table(name))
            }
        }
    }
}
