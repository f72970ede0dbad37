// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Node
internal import Storage

/// Makes the rows of the system tables, from the schema and what the node knows of itself.
struct SystemTables {
    let context: SystemContext
    let tasks: BackgroundTasks
    let clock: any Clock
    /// What is known of other nodes; nil when there are none.
    let coordinator: Coordinator?
    /// What is known to be damaged.
    let damages: [Quarantine.Damage]
    /// How far an index is built.
    let progress: @Sendable (IndexSchema, TableSchema) -> IndexBuilds.Progress

    init(
        context: SystemContext,
        tasks: BackgroundTasks,
        clock: any Clock,
        coordinator: Coordinator? = nil,
        damages: [Quarantine.Damage] = [],
        progress: @escaping @Sendable (IndexSchema, TableSchema) -> IndexBuilds.Progress = { _, _ in
            IndexBuilds.Progress()
        }
    ) {
        self.context = context
        self.tasks = tasks
        self.clock = clock
        self.coordinator = coordinator
        self.damages = damages
        self.progress = progress
    }

    /// The rows of `table` at this moment; nil when it isn't a system table.
    ///
    /// - Parameter schema: what is described, with or without the system keyspaces.
    func memtable(for table: TableSchema, schema: Schema) -> Memtable? {
        guard SystemSchema.isVirtual(table) else { return nil }
        var rows = VirtualRows(table)
        switch table.keyspace {
        case "system":
            if table.name == "local" { rows.append(local(schema.version)) }
            if table.name == "peers" || table.name == "peers_v2" { appendPeers(to: &rows) }
            if table.name == "IndexInfo" { appendBuiltIndexes(schema, to: &rows) }
        case "system_schema":
            let listed = Self.keyspaces(schema) { !SystemSchema.listedAsVirtual.contains($0) }
            Self.append(listed, of: table.name, to: &rows)
        case "system_views":
            if table.name == "sai_column_indexes" {
                appendIndexes(schema, to: &rows)
            } else if table.name == "quarantined_blocks" {
                for damage in damages { rows.append(row(of: damage)) }
            } else {
                appendView(table.name, to: &rows)
            }
        case "system_virtual_schema":
            let listed = Self.keyspaces(schema) { SystemSchema.listedAsVirtual.contains($0) }
            Self.append(listed, of: table.name, to: &rows)
        default: break
        }
        return rows.memtable()
    }

    private func local(_ schemaVersion: UUID) -> VirtualRows.Row {
        let view = coordinator?.view
        let record = view.flatMap { $0.node($0.local) }
        let version = view.flatMap { coordinator?.schemaVersion(of: $0.local) } ?? schemaVersion
        return [
            "key": ValueCoding.text("local"),
            "bootstrapped": ValueCoding.text("COMPLETED"),
            "broadcast_address": context.listenAddress,
            "broadcast_port": ValueCoding.int32(context.listenPort),
            "cluster_name": ValueCoding.text(context.clusterName),
            "cql_version": ValueCoding.text(SystemContext.cqlVersion),
            "data_center": ValueCoding.text(context.dataCenter),
            "gossip_generation": ValueCoding.int32(context.gossipGeneration),
            "host_id": ValueCoding.uuid(context.hostID),
            "listen_address": context.listenAddress,
            "listen_port": ValueCoding.int32(context.listenPort),
            "native_protocol_version": ValueCoding.text(SystemContext.nativeProtocolVersion),
            "partitioner": ValueCoding.text(SystemContext.partitioner),
            "rack": ValueCoding.text(context.rack),
            "release_version": ValueCoding.text(SystemContext.releaseVersion),
            "rpc_address": context.rpcAddress,
            "rpc_port": ValueCoding.int32(context.rpcPort),
            "schema_version": ValueCoding.uuid(version),
            "tokens": Self.set((record?.tokens ?? context.tokens).map(\.description)),
        ]
    }

    /// The other nodes that own tokens: drivers connect to them.
    private func appendPeers(to rows: inout VirtualRows) {
        guard let coordinator else { return }
        let view = coordinator.view
        for node in view.nodes where node.id != view.local && node.state.ownsTokens {
            var row: VirtualRows.Row = [
                "peer": node.address.ip,
                "peer_port": ValueCoding.int32(Int32(node.address.port)),
                "data_center": ValueCoding.text(node.location.dataCenter),
                "host_id": ValueCoding.uuid(node.id.uuid),
                "native_address": node.clientAddress.ip,
                "native_port": ValueCoding.int32(Int32(node.clientAddress.port)),
                "rpc_address": node.clientAddress.ip,
                "rack": ValueCoding.text(node.location.rack),
                "release_version": ValueCoding.text(SystemContext.releaseVersion),
                "tokens": Self.set(node.tokens.map(\.description)),
            ]
            if let version = coordinator.schemaVersion(of: node.id) {
                row["schema_version"] = ValueCoding.uuid(version)
            }
            rows.append(row)
        }
    }

    /// As Cassandra has it, the column table_name has the keyspace's name.
    private func appendBuiltIndexes(_ schema: Schema, to rows: inout VirtualRows) {
        for table in schema.tables {
            for index in table.indexes where progress(index, table).isBuilt {
                rows.append([
                    "table_name": ValueCoding.text(table.keyspace),
                    "index_name": ValueCoding.text(index.name),
                ])
            }
        }
    }

    /// All indexes, those that are being built too.
    private func appendIndexes(_ schema: Schema, to rows: inout VirtualRows) {
        for table in schema.tables {
            for index in table.indexes {
                let progress = progress(index, table)
                let column = table.column(of: index)
                let type = column?.type.indexedType(index.part)
                let isAnalyzed = column.flatMap { TermAnalysis(index, $0.type) } != nil
                rows.append([
                    "keyspace_name": ValueCoding.text(table.keyspace),
                    "index_name": ValueCoding.text(index.name),
                    "table_name": ValueCoding.text(table.name),
                    "column_name": ValueCoding.text(column?.name ?? ""),
                    "analyzer": ValueCoding.text(
                        isAnalyzed ? "NonTokenizingAnalyzer" : "NoOpAnalyzer"
                    ),
                    "is_building": ValueCoding.boolean(!progress.isBuilt),
                    // One that is being built is asked too: all rows are tested then.
                    "is_queryable": ValueCoding.boolean(true),
                    "is_string": ValueCoding.boolean(type == .text || type == .ascii),
                    "built_bytes": ValueCoding.int64(Int64(progress.builtBytes)),
                    "total_bytes": ValueCoding.int64(Int64(progress.totalBytes)),
                ])
            }
        }
    }

    private func row(of damage: Quarantine.Damage) -> VirtualRows.Row {
        let error = damage.error
        var row: VirtualRows.Row = [
            "keyspace_name": ValueCoding.text(damage.table.keyspace),
            "table_name": ValueCoding.text(damage.table.name),
            "file": ValueCoding.text(error.path),
            "block_offset": ValueCoding.int64(Int64(error.offset)),
            "reason": ValueCoding.text("expected \(error.expected), found \(error.found)"),
            "found_at": ValueCoding.timestamp(milliseconds: damage.foundAt / 1000),
        ]
        // What isn't known is null.
        if error.length > 0 { row["block_length"] = ValueCoding.int64(Int64(error.length)) }
        row["first_key"] = error.keys?.first
        row["last_key"] = error.keys?.last
        return row
    }

    // MARK: The schema's tables

    /// The keyspaces that `isListed` says, the system's own among them.
    private static func keyspaces(
        _ schema: Schema,
        _ isListed: (String) -> Bool
    ) -> [KeyspaceSchema] {
        schema.keyspaces.merging(SystemSchema.schema.keyspaces) { given, _ in given }
            .filter { isListed($0.key) }
            .sorted { $0.key < $1.key }
            .map(\.value)
    }

    /// Appends what the table `name` says of `keyspaces`; nothing for what there isn't: types,
    /// functions, aggregates, triggers, views, masks.
    private static func append(
        _ keyspaces: [KeyspaceSchema],
        of name: String,
        to rows: inout VirtualRows
    ) {
        for keyspace in keyspaces {
            if name == "keyspaces" {
                rows.append([
                    "keyspace_name": ValueCoding.text(keyspace.name),
                    "durable_writes": ValueCoding.boolean(keyspace.durableWrites),
                    "replication": map(keyspace.replication),
                ])
                continue
            }
            for table in keyspace.tables.values {
                switch name {
                case "tables": rows.append(row(of: table))
                case "columns":
                    for column in table.columns { rows.append(row(of: column, in: table)) }
                case "indexes":
                    for index in table.indexes { rows.append(row(of: index, in: table)) }
                case "dropped_columns":
                    for column in table.droppedColumns {
                        rows.append(row(of: column, in: table))
                    }
                default: break
                }
            }
        }
    }

    private static func row(of table: TableSchema) -> VirtualRows.Row {
        var row: VirtualRows.Row = [
            "keyspace_name": ValueCoding.text(table.keyspace),
            "table_name": ValueCoding.text(table.name),
            "id": ValueCoding.uuid(table.id),
            // Without it, drivers take a table for one of COMPACT STORAGE.
            "flags": set(table.isCounter ? ["compound", "counter"] : ["compound"]),
            "read_repair_chance": ValueCoding.double(0),
            "dclocal_read_repair_chance": ValueCoding.double(0),
        ]
        for (name, value) in table.options.all {
            switch value {
            case .text(let text): row[name] = ValueCoding.text(text)
            case .int(let number): row[name] = ValueCoding.int32(number)
            case .double(let number): row[name] = ValueCoding.double(number)
            case .boolean(let flag): row[name] = ValueCoding.boolean(flag)
            case .map(let entries):
                row[name] = name == "extensions" ? blobMap(entries) : map(entries)
            }
        }
        return row
    }

    private static func row(
        of column: ColumnSchema,
        in table: TableSchema
    ) -> VirtualRows.Row {
        let isClustering = column.kind == .clustering
        let isInKey = isClustering || column.kind == .partitionKey
        let order = !isClustering ? "none" : column.isDescending ? "desc" : "asc"
        return [
            "keyspace_name": ValueCoding.text(table.keyspace),
            "table_name": ValueCoding.text(table.name),
            "column_name": ValueCoding.text(column.name),
            "clustering_order": ValueCoding.text(order),
            "column_name_bytes": ValueCoding.text(column.name),
            "kind": ValueCoding.text(column.kind.name),
            "position": ValueCoding.int32(isInKey ? Int32(column.position) : -1),
            "type": ValueCoding.text(column.type.description),
        ]
    }

    private static func row(of index: IndexSchema, in table: TableSchema) -> VirtualRows.Row {
        var options = index.options
        options["target"] = SchemaText.target(of: index, table)
        options["class_name"] = index.implementation
        return [
            "keyspace_name": ValueCoding.text(table.keyspace),
            "table_name": ValueCoding.text(table.name),
            "index_name": ValueCoding.text(index.name),
            "kind": ValueCoding.text(index.implementation == nil ? "COMPOSITES" : "CUSTOM"),
            "options": map(options),
        ]
    }

    private static func row(
        of column: DroppedColumn,
        in table: TableSchema
    ) -> VirtualRows.Row {
        [
            "keyspace_name": ValueCoding.text(table.keyspace),
            "table_name": ValueCoding.text(table.name),
            "column_name": ValueCoding.text(column.name),
            "dropped_time": ValueCoding.timestamp(milliseconds: column.droppedTime / 1000),
            "kind": ValueCoding.text(column.kind.name),
            "type": ValueCoding.text(column.type.description),
        ]
    }

    // MARK: Collections

    private static func sorted<Value>(_ map: [String: Value]) -> [(key: String, value: Value)] {
        map.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private static func map(_ map: [String: String]) -> [UInt8] {
        ValueCoding.map(
            sorted(map).map { (key: ValueCoding.text($0.key), value: ValueCoding.text($0.value)) }
        )
    }

    /// A map of blobs, given as hexadecimal digits.
    private static func blobMap(_ map: [String: String]) -> [UInt8] {
        ValueCoding.map(
            sorted(map).map { key, digits in
                let text = digits.hasPrefix("0x") ? digits : "0x" + digits
                let value = (try? CQLType.blob.parse(text: text)) ?? []
                return (key: ValueCoding.text(key), value: value)
            }
        )
    }

    /// A set of texts.
    private static func set(_ elements: [String]) -> [UInt8] {
        let ordered = elements.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return ValueCoding.collection(ordered.map { ValueCoding.text($0) })
    }
}
