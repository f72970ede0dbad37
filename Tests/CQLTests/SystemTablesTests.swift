// SPDX-License-Identifier: Apache-2.0

import Bytes
@testable import CQL
import Environment
import Model
import Storage
import Testing

/// What drivers, shells and tools read of a node and its schema.
@Suite("System tables")
struct SystemTablesTests {
    private let context = SystemContext(
        clusterName: "Rotunda",
        hostID: UUID(high: 7, low: 8),
        rpcAddress: [10, 0, 0, 1],
        rpcPort: 9999
    )

    @Test("system.local describes the node")
    func local() throws {
        let schema = try script().schema
        let rows = try read("system", "local", schema)
        #expect(rows.count == 1)
        let row = try #require(rows.first)
        #expect(row["key"] == "local")
        #expect(row["bootstrapped"] == "COMPLETED")
        #expect(row["cluster_name"] == "Rotunda")
        #expect(row["data_center"] == "datacenter1")
        #expect(row["rack"] == "rack1")
        #expect(row["release_version"] == SystemContext.releaseVersion)
        #expect(row["cql_version"] == "3.4.7")
        #expect(row["native_protocol_version"] == "5")
        #expect(row["partitioner"] == "org.apache.cassandra.dht.Murmur3Partitioner")
        #expect(row["host_id"] == UUID(high: 7, low: 8).description)
        #expect(row["rpc_address"] == "10.0.0.1")
        #expect(row["rpc_port"] == "9999")
        #expect(row["schema_version"] == schema.version.description)
        let tokens = try #require(row["tokens"]).split(separator: " ")
        #expect(tokens.count == 16)
        #expect(Set(tokens.compactMap { Int64($0) }).count == 16)
    }

    private let tasks = BackgroundTasks()
    private let clock = ManualClock()

    @Test("what runs in the background is in system_views")
    func backgroundTasks() throws {
        let id = UUID(random: 1, 2)
        tasks.begin(
            BackgroundTask(
                id: id,
                kind: .compaction,
                keyspace: "shop",
                table: "orders",
                shard: 1,
                sstables: 4,
                directory: "/data/shop/orders",
                total: 1_000,
                predictedSize: 900,
                startedAt: clock.monotonicNanoseconds()
            )
        )
        clock.advance(nanoseconds: 2_000_000_000)
        tasks.advance(id, to: 250)
        var admission = WriteAdmission(shard: 1)
        admission.delay = 3_000_000
        admission.reason = "many SSTables wait to be compacted"
        admission.pressure = 0.75
        admission.delayedWrites = 9
        tasks.note(admission)
        let schema = try script().schema
        let row = try #require(try read("system_views", "sstable_tasks", schema).first)
        #expect(row["keyspace_name"] == "shop")
        #expect(row["table_name"] == "orders")
        #expect(row["task_id"] == id.description)
        #expect(row["kind"] == "compaction")
        #expect(row["completion_ratio"] == "0.25")
        #expect(row["progress"] == "250")
        #expect(row["total"] == "1000")
        #expect(row["unit"] == "bytes")
        #expect(row["sstables"] == "4")
        #expect(row["target_directory"] == "/data/shop/orders")
        #expect(row["bytes_per_second"] == "125")
        #expect(row["seconds_left"] == "6")
        #expect(row["predicted_bytes"] == "900")
        let writes = try #require(try read("system_views", "write_admission", schema).first)
        #expect(writes["delay_micros"] == "3000")
        #expect(writes["reason"] == "many SSTables wait to be compacted")
        #expect(writes["delayed_writes"] == "9")
        tasks.end(id)
        #expect(try read("system_views", "sstable_tasks", schema).isEmpty)
    }

    @Test("every system table can be read, and what there isn't is empty")
    func empties() throws {
        let schema = try script().schema
        let filled: Set<String> = [
            "system.local", "system_schema.keyspaces", "system_schema.tables",
            "system_schema.columns", "system_schema.dropped_columns",
            "system_virtual_schema.keyspaces", "system_virtual_schema.tables",
            "system_virtual_schema.columns",
        ]
        #expect(!SystemSchema.schema.tables.isEmpty)
        for table in SystemSchema.schema.tables {
            #expect(SystemSchema.isVirtual(table))
            let name = "\(table.keyspace).\(table.name)"
            let rows = try read(table.keyspace, table.name, schema)
            #expect(rows.isEmpty != filled.contains(name), "\(name)")
        }
        let stored = try #require(schema.table("shop", "orders"))
        #expect(!SystemSchema.isVirtual(stored))
        #expect(SystemTables(context: context, tasks: tasks, clock: clock).memtable(for: stored, schema: schema) == nil)
    }

    @Test("system_views.quarantined_blocks lists what is damaged, each place once")
    func quarantinedBlocks() throws {
        let quarantine = Quarantine(clock: ManualClock(microsecondsSinceEpoch: 86_400_000_000))
        let error = CorruptionError(
            path: "/data/shop/order-lines-0011/0000000007.sst",
            offset: 4096,
            length: 100,
            expected: "checksum 1",
            found: "2",
            keys: KeySpan(first: [1], last: [2, 3])
        )
        for _ in 0..<2 { quarantine.note(error, fileNumber: 7) }
        let tables = SystemTables(
            context: context,
            tasks: tasks,
            clock: clock,
            damages: quarantine.damages
        )
        let rows = try read("system_views", "quarantined_blocks", Schema(), tables)
        #expect(
            rows == [
                [
                    "keyspace_name": "shop", "table_name": "order-lines",
                    "file": "/data/shop/order-lines-0011/0000000007.sst", "block_offset": "4096",
                    "block_length": "100", "first_key": "0x01", "last_key": "0x0203",
                    "reason": "expected checksum 1, found 2",
                    "found_at": ValueCoding.timestamp(milliseconds: 86_400_000).withView {
                        CQLType.timestamp.display($0)
                    },
                ]
            ]
        )
        quarantine.forget(file: 7)
        #expect(quarantine.damages.isEmpty)
    }

    @Test("a system table that is stored is read as users' tables are, and is listed")
    func storedSystemTable() throws {
        let schema = QueryProcessor.systemSchema
        let batches = try #require(schema.table("system", "batches"))
        #expect(!SystemSchema.isVirtual(batches))
        let local = try #require(schema.table("system", "local"))
        #expect(SystemSchema.isVirtual(local))
        let names = try read("system_schema", "tables", schema).compactMap { $0["table_name"] }
        #expect(names.contains("batches"))
    }

    @Test("system_schema.keyspaces lists the keyspaces, the system's own too")
    func keyspaces() throws {
        let rows = try read("system_schema", "keyspaces", try script().schema)
        #expect(
            rows.compactMap { $0["keyspace_name"] }.sorted()
                == ["shop", "system", "system_schema", "system_traces"]
        )
        let shop = try #require(rows.first { $0["keyspace_name"] == "shop" })
        #expect(shop["durable_writes"] == "false")
        let replication = try #require(shop["replication"])
        #expect(replication.contains("'class': 'org.apache.cassandra.locator.SimpleStrategy'"))
        #expect(replication.contains("'replication_factor': '1'"))
    }

    @Test("system_schema.tables has each table's options")
    func tables() throws {
        let schema = try script().schema
        let rows = try read("system_schema", "tables", schema)
        let row = try #require(rows.first { $0["table_name"] == "orders" })
        #expect(row["keyspace_name"] == "shop")
        #expect(row["id"] == schema.table("shop", "orders")?.id.description)
        #expect(row["comment"] == "what was bought")
        #expect(row["gc_grace_seconds"] == "60")
        #expect(row["flags"]?.contains("compound") == true)
        #expect(row["compression"]?.contains("ZstdCompressor") == true)
        #expect(row["extensions"]?.contains("0xcafe") == true)
        let options = TableOptions().all.map(\.name)
        #expect(options.filter { row[$0] == nil } == [])
    }

    @Test("system_schema.columns has each column's kind, place and order")
    func columns() throws {
        let rows = try read("system_schema", "columns", try script().schema)
        let lines = rows.filter { $0["table_name"] == "orders" }.map { row in
            ["column_name", "kind", "position", "clustering_order", "type", "column_name_bytes"]
                .map { row[$0] ?? "null" }.joined(separator: " ")
        }
        #expect(
            lines == [
                "at clustering 0 desc timestamp 0x6174",
                "city partition_key 1 none text 0x63697479",
                "customer partition_key 0 none int 0x637573746f6d6572",
                "items regular -1 none map<text, frozen<list<int>>> 0x6974656d73",
                "note static -1 none text 0x6e6f7465",
                "number clustering 1 asc int 0x6e756d626572",
            ]
        )
    }

    @Test("system_schema.dropped_columns keeps what was dropped, and when")
    func droppedColumns() throws {
        let rows = try read("system_schema", "dropped_columns", try script().schema)
        #expect(rows.count == 1)
        #expect(rows.first?["column_name"] == "old")
        #expect(rows.first?["kind"] == "regular")
        #expect(rows.first?["type"] == "int")
        #expect(rows.first?["dropped_time"]?.hasPrefix("2023-11-14 22:13:20") == true)
    }

    @Test("the ids of system tables are always the same")
    func identifiers() throws {
        let local = try #require(SystemSchema.schema.table("system", "local"))
        #expect(local.id == SystemSchema.identifier("system.local"))
        let tables = SystemSchema.schema.tables
        #expect(Set(tables.map(\.id)).count == tables.count)
    }

    @Test("tokens divide the ring evenly")
    func tokens() {
        #expect(SystemContext.evenTokens(count: 1).map(\.value) == [-1])
        let tokens = SystemContext.evenTokens(count: 16)
        let steps = zip(tokens, tokens.dropFirst()).map { $1.biased - $0.biased }
        #expect(Set(steps).count == 1)
        #expect(tokens.sorted() == tokens)
    }

    // MARK: Reading

    private func script() throws -> SchemaScript {
        var script = SchemaScript()
        let answers = [
            """
            CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy'}
                AND durable_writes = false
            """,
            """
            CREATE TABLE shop.orders (
                customer int, city text, at timestamp, number int, note text STATIC,
                items map<text, frozen<list<int>>>, old int,
                PRIMARY KEY ((customer, city), at, number))
                WITH CLUSTERING ORDER BY (at DESC) AND comment = 'what was bought'
                AND gc_grace_seconds = 60 AND compression = {'class': 'ZstdCompressor'}
                AND extensions = {'tool': 0xCAFE}
            """,
            "ALTER TABLE shop.orders DROP old",
        ].map { script.run($0) }
        #expect(answers.allSatisfy { !$0.hasPrefix("error") }, "\(answers)")
        return script
    }

    /// The rows of a system table, in key order, as texts by column.
    private func read(
        _ keyspace: String,
        _ name: String,
        _ schema: Schema,
        _ tables: SystemTables? = nil
    ) throws -> [[String: String]] {
        let table = try #require(SystemSchema.schema.table(keyspace, name))
        let tables = tables ?? SystemTables(context: context, tasks: self.tasks, clock: clock)
        let memtable = try #require(tables.memtable(for: table, schema: schema))
        var rows: [[String: String]] = []
        var position = memtable.rows.lowerBound(.empty)
        while position.isValid {
            rows.append(
                try Self.decode(
                    memtable.rows.key(position),
                    memtable.rows.value(position),
                    table
                )
            )
            position = memtable.rows.next(position)
        }
        return rows
    }

    private static func decode(
        _ key: ByteView,
        _ value: ByteView,
        _ table: TableSchema
    ) throws -> [String: String] {
        var row: [String: String] = [:]
        var reader = ByteReader(key)
        var partitionKey = ByteWriter()
        _ = try Key.readPartitionKey(from: &reader, into: &partitionKey)
        let parts = try Key.splitPartitionKey(
            partitionKey.view,
            count: table.partitionKey.count
        )
        for (column, part) in zip(table.partitionKey, parts) {
            row[column.name] = column.type.display(part)
        }
        #expect(try reader.readByte() == Key.clustered)
        for column in table.clustering {
            #expect(try reader.readByte() == Key.component)
            var scratch = ByteWriter()
            try OrderedEncoding.decode(
                column.type,
                descending: column.isDescending,
                from: &reader,
                into: &scratch
            )
            row[column.name] = column.type.display(scratch.view)
        }
        #expect(try reader.readByte() == Key.endRow)
        #expect(reader.isAtEnd)
        var fragment = try RowFragment(value)
        #expect(fragment.liveness == Liveness(timestamp: 1))
        while let cell = try fragment.nextCell() {
            let column = try #require(table.columns.first { $0.id == cell.column })
            if cell.flags.contains(.path) {
                // All sets are of texts, whose encoding ends with a zero byte.
                let element = String(cql: cell.path.prefix(cell.path.count - 1))
                row[column.name] = row[column.name].map { $0 + " " + element } ?? element
            } else {
                row[column.name] = column.type.display(cell.value)
            }
        }
        return row
    }
}
