// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Model

/// Nodes, entries and metadata with small numbers for names.
enum MetadataFixture {
    static func id(_ number: Int) -> NodeID { NodeID(UUID(high: 0, low: UInt64(number))) }

    static func address(_ number: Int, port: UInt16 = 7000) -> NodeAddress {
        NodeAddress(ip: [10, 0, UInt8(number / 256), UInt8(number % 256)], port: port)
    }

    static func node(
        _ number: Int,
        center: String = "dc1",
        rack: String = "r1",
        state: NodeState = .registered,
        tokens: [Int64] = []
    ) -> NodeRecord {
        NodeRecord(
            id: id(number),
            address: address(number),
            clientAddress: address(number, port: 9042),
            location: NodeLocation(dataCenter: center, rack: rack),
            state: state,
            tokens: tokens.map { Token($0) }
        )
    }

    static func entry(
        _ change: MetadataChange,
        number: UInt64,
        by proposer: Int = 1
    ) -> MetadataEntry {
        MetadataEntry(
            request: MetadataRequestID(proposer: id(proposer), number: number),
            change: change
        )
    }

    static func keyspace(_ name: String, _ replication: [String: String]) -> SchemaEdit {
        .putKeyspace(name: name, replication: replication, durableWrites: true)
    }

    static let simple3 = [
        "class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "3",
    ]

    /// A cluster of nodes 1 to `count`, each with one token, 1000 apart; node 1 is the only voter.
    static func cluster(
        _ count: Int,
        tokenStep: Int64 = 1_000,
        place: (Int) -> (String, String) = { _ in ("dc1", "r1") }
    ) throws -> ClusterMetadata {
        let first = place(1)
        var metadata = try ClusterMetadata(
            founding: UUID(high: 7, low: 7),
            node: node(1, center: first.0, rack: first.1, state: .normal, tokens: [tokenStep])
        )
        var number: UInt64 = 1_000_000
        for index in 2...max(2, count) where index <= count {
            let (center, rack) = place(index)
            let tokens = [Token(Int64(index) * tokenStep)]
            let changes: [MetadataChange] = [
                .register(node(index, center: center, rack: rack)),
                .startJoin(id(index), tokens: tokens, replaces: nil), .handOver(id(index)),
                .finishJoin(id(index)),
            ]
            for change in changes {
                number += 1
                try metadata.apply(entry(change, number: number))
            }
        }
        return metadata
    }

    static func bytes(_ encode: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        encode(&writer)
        return writer.array
    }
}

extension ClusterMetadata {
    /// All of it as bytes: equal if and only if the metadata are.
    var encodedBytes: [UInt8] { MetadataFixture.bytes { encode(to: &$0) } }

    /// Applies a change under a request number of its own.
    mutating func apply(_ change: MetadataChange, _ number: UInt64) throws(MetadataRefusal) {
        try apply(MetadataFixture.entry(change, number: number))
    }

    /// What makes a change illegal; nil if it is legal.
    func refusal(of change: MetadataChange) -> MetadataRefusal? {
        do throws(MetadataRefusal) {
            try check(MetadataFixture.entry(change, number: .max))
            return nil
        } catch {
            return error
        }
    }
}
