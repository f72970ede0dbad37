// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// The rows of a DESCRIBE, as Cassandra's server answers it.
enum DescribeRows {
    static func rows(_ result: DescribeResult) -> RowsResult {
        switch result {
        case .names(let elements):
            return table(
                ["keyspace_name", "type", "name"],
                elements.map { [$0.keyspace, $0.type, $0.name] }
            )
        case .statements(let elements):
            return table(
                ["keyspace_name", "type", "name", "create_statement"],
                elements.map { [$0.keyspace, $0.type, $0.name, $0.createStatement] }
            )
        case .cluster(let cluster, let withRanges):
            return self.cluster(cluster, withRanges)
        }
    }

    private static func specification(_ name: String, _ type: CQLType) -> ColumnSpecification {
        ColumnSpecification(keyspace: "system", table: "describe", name: name, type: type)
    }

    private static func table(_ names: [String], _ rows: [[String?]]) -> RowsResult {
        var cells = ByteWriter(capacity: 1024)
        for row in rows {
            for value in row { append(value.map { ValueCoding.text($0) }, to: &cells) }
        }
        let columns = ResultColumns(names.map { specification($0, .text) })
        return RowsResult(
            metadata: ResultMetadata(columns: columns),
            rowCount: rows.count,
            cells: cells.array
        )
    }

    private static func append(_ value: [UInt8]?, to cells: inout ByteWriter) {
        cells.appendBigEndian(Int32(value.map { $0.count } ?? -1))
        cells.append(value ?? [])
    }

    private static func cluster(_ cluster: ClusterDescription, _ withRanges: Bool) -> RowsResult {
        var columns = ["cluster", "partitioner", "snitch"].map { specification($0, .text) }
        var cells = ByteWriter(capacity: 256)
        for text in [cluster.name, cluster.partitioner, cluster.snitch] {
            append(ValueCoding.text(text), to: &cells)
        }
        if withRanges {
            let list = CQLType.list(.text, frozen: true)
            columns.append(specification("range_ownership", .map(.text, list, frozen: false)))
            let entries = cluster.rangeOwnership.sorted { $0.key < $1.key }.map { range, owners in
                (
                    key: ValueCoding.text(range),
                    value: ValueCoding.collection(owners.map { ValueCoding.text($0) })
                )
            }
            append(ValueCoding.map(entries), to: &cells)
        }
        return RowsResult(
            metadata: ResultMetadata(columns: ResultColumns(columns)),
            rowCount: 1,
            cells: cells.array
        )
    }
}
