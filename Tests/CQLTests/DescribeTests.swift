// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import CQL

@Suite struct DescribeTests {
    private func column(
        _ id: UInt32, _ name: String, _ type: CQLType, _ kind: ColumnKind = .regular,
        _ position: Int = 0, isDescending: Bool = false
    ) -> ColumnSchema {
        ColumnSchema(
            id: id, name: name, type: type, kind: kind, position: position,
            isDescending: isDescending)
    }

    private let id = UUID(high: 0x9905_1FE9_6A9C_46C2, low: 0xB949_38EF_7885_8DD0)

    private var simple: TableSchema {
        TableSchema(
            id: id, keyspace: "shop", name: "users",
            columns: [column(0, "id", .int, .partitionKey), column(1, "name", .text)],
            nextColumnID: 2)
    }

    private var rich: TableSchema {
        var options = TableOptions()
        options.comment = "it's \"odd\""
        options.bloomFilterFPChance = 0.0001
        options.crcCheckChance = 0.5
        options.defaultTimeToLive = 60
        options.cdc = true
        options.compression = [:]
        options.extensions = ["e": "cafe"]
        return TableSchema(
            id: id, keyspace: "Shop", name: "select",
            columns: [
                column(0, "b", .text, .partitionKey, 1), column(1, "A", .int, .partitionKey, 0),
                column(2, "time", .timestamp, .clustering, 0, isDescending: true),
                column(3, "seq", .int, .clustering, 1),
                column(4, "s", .text, .static),
                column(5, "sset", .set(.int, frozen: false), .static),
                column(6, "list", .list(.int, frozen: true)),
                column(7, "amap", .map(.text, .list(.int, frozen: true), frozen: false)),
                column(8, "pair", .tuple([.int, .text])),
                column(9, "again", .text),
            ],
            nextColumnID: 10, options: options,
            droppedColumns: [
                DroppedColumn(name: "old", type: .int, kind: .static, droppedTime: 1000),
                DroppedColumn(name: "again", type: .int, kind: .regular, droppedTime: 1500),
                DroppedColumn(name: "again", type: .blob, kind: .regular, droppedTime: 2000),
            ])
    }

    private let defaultOptions = """
        additional_write_policy = '99p'
            AND allow_auto_snapshot = true
            AND bloom_filter_fp_chance = 0.01
            AND caching = {'keys': 'ALL', 'rows_per_partition': 'NONE'}
            AND cdc = false
            AND comment = ''
            AND compaction = {'class': \
        'org.apache.cassandra.db.compaction.UnifiedCompactionStrategy'}
            AND compression = {'chunk_length_in_kb': '16', \
        'class': 'org.apache.cassandra.io.compress.LZ4Compressor'}
            AND memtable = 'default'
            AND crc_check_chance = 1.0
            AND default_time_to_live = 0
            AND extensions = {}
            AND gc_grace_seconds = 864000
            AND incremental_backups = true
            AND max_index_interval = 2048
            AND memtable_flush_period_in_ms = 0
            AND min_index_interval = 128
            AND read_repair = 'BLOCKING'
            AND speculative_retry = '99p';
        """

    @Test func keyspaceIsWrittenAsCassandraDoes() {
        var keyspace = KeyspaceSchema(
            name: "shop",
            replication: [
                "class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1",
            ])
        #expect(
            SchemaText.keyspace(keyspace)
                == "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': '1'}  AND durable_writes = true;")
        keyspace = KeyspaceSchema(
            name: "Shop", replication: ["dc2": "1", "class": "org.example.Mine", "dc1": "3"],
            durableWrites: false)
        #expect(
            SchemaText.keyspace(keyspace)
                == "CREATE KEYSPACE \"Shop\" WITH replication = {'class': 'org.example.Mine', "
                + "'dc1': '3', 'dc2': '1'}  AND durable_writes = false;")
    }

    @Test func simpleTableIsWrittenAsCassandraDoes() {
        let expected = """
            CREATE TABLE shop.users (
                id int PRIMARY KEY,
                name text
            ) WITH \(defaultOptions)
            """
        #expect(SchemaText.table(simple) == expected)
        #expect(
            SchemaText.tableWithoutOptions(simple)
                == "CREATE TABLE shop.users (\n    id int PRIMARY KEY,\n    name text\n)")
    }

    @Test func keyOrderAndCollectionsAreWrittenAsCassandraDoes() {
        let text = SchemaText.table(rich)
        let expected = """
            CREATE TABLE "Shop"."select" (
                "A" int,
                b text,
                time timestamp,
                seq int,
                s text static,
                sset set<int> static,
                again text,
                list frozen<list<int>>,
                pair frozen<tuple<int, text>>,
                amap map<text, frozen<list<int>>>,
                PRIMARY KEY (("A", b), time, seq)
            ) WITH CLUSTERING ORDER BY (time DESC, seq ASC)
                AND additional_write_policy = '99p'
                AND allow_auto_snapshot = true
                AND bloom_filter_fp_chance = 1.0E-4
            """
        #expect(text.hasPrefix(expected))
        #expect(text.contains("\n    AND comment = 'it''s \"odd\"'\n"))
        #expect(text.contains("\n    AND extensions = {'e': 0xcafe}\n"))
    }

    @Test func internalsShowIdentityAndDroppedColumns() {
        let text = SchemaText.table(rich, withInternals: true)
        #expect(text.contains("    old int static,\n    again blob,\n    PRIMARY KEY"))
        #expect(!text.contains("again text,"))
        #expect(
            text.contains(
                ") WITH ID = 99051fe9-6a9c-46c2-b949-38ef78858dd0\n    AND CLUSTERING ORDER BY"))
        let ending = """
            ;
            ALTER TABLE "Shop"."select" DROP old USING TIMESTAMP 1000;
            ALTER TABLE "Shop"."select" DROP again USING TIMESTAMP 2000;
            ALTER TABLE "Shop"."select" ADD again text;
            """
        #expect(text.hasSuffix(ending))
    }

    /// What is written reads back as the same columns, key and options.
    @Test func writtenTablesReadBack() throws {
        for table in [simple, rich] {
            let parsed = try CQLParser.parse(SchemaText.table(table))
            guard case .createTable(let create) = parsed.statement else {
                Issue.record("not a CREATE TABLE")
                continue
            }
            #expect(create.table.keyspace?.name == table.keyspace)
            #expect(create.table.name.name == table.name)
            #expect(Set(create.columns.map(\.name.name)) == Set(table.columns.map(\.name)))
            for column in create.columns {
                let schema = try #require(table.column(column.name.name))
                #expect(column.isStatic == (schema.kind == .static))
                #expect(text(of: column.type) == schema.type.description)
            }
            let key = try #require(create.primaryKeys.first)
            #expect(create.primaryKeys.count == 1)
            #expect(key.partitionKey.map(\.name) == table.partitionKey.map(\.name))
            #expect(key.clusteringColumns.map(\.name) == table.clustering.map(\.name))
            #expect(
                create.options.clusteringOrder.map(\.isDescending)
                    == table.clustering.map(\.isDescending))
            #expect(try options(create.options.properties) == table.options)
        }
    }

    private func text(of type: TypeReference) -> String {
        switch type.form {
        case .scalar(let scalar): scalar.description
        case .list(let element): "list<\(text(of: element))>"
        case .set(let element): "set<\(text(of: element))>"
        case .map(let key, let value): "map<\(text(of: key)), \(text(of: value))>"
        case .tuple(let elements): "tuple<\(elements.map { text(of: $0) }.joined(separator: ", "))>"
        case .frozen(let inner): "frozen<\(text(of: inner))>"
        default: "another type"
        }
    }

    private func options(_ properties: [Property]) throws -> TableOptions {
        var options = TableOptions()
        for property in properties {
            let value: TableOptions.Value
            switch property.value {
            case .map(let entries):
                value = .map(
                    Dictionary(
                        uniqueKeysWithValues: entries.map {
                            // A blob without its 0x.
                            let prefix = $0.value.kind == .blob ? 2 : 0
                            return ($0.key.text, String($0.value.text.dropFirst(prefix)))
                        }))
            case .literal(let literal):
                switch literal.kind {
                case .integer: value = .int(try #require(Int32(literal.text)))
                case .float: value = .double(try #require(Double(literal.text)))
                case .boolean: value = .boolean(literal.text == "true")
                default: value = .text(literal.text)
                }
            case .word(let word): value = .text(word.name)
            }
            let isKnown = options.set(property.name.name, value)
            #expect(isKnown, "\(property.name.name)")
        }
        return options
    }

    @Test(arguments: [
        (0.0, "0.0"), (1.0, "1.0"), (0.01, "0.01"), (0.001, "0.001"), (0.0001, "1.0E-4"),
        (0.00012345, "1.2345E-4"), (1e-20, "1.0E-20"), (12345.5, "12345.5"),
        (9_999_999, "9999999.0"), (1e7, "1.0E7"), (12_345_678.5, "1.23456785E7"),
        (1e20, "1.0E20"), (-1e-5, "-1.0E-5"), (1.5e300, "1.5E300"),
    ])
    func numbersAreWrittenAsJavaDoes(number: Double, text: String) {
        #expect(SchemaText.doubleText(number) == text)
    }

    // MARK: Statements

    private func describe(_ text: String, in current: String? = nil) throws -> DescribeResult {
        guard case .describe(let statement) = try CQLParser.parse(text).statement else {
            throw DescribeError(message: "not a DESCRIBE")
        }
        let replication = ["class": "SimpleStrategy", "replication_factor": "1"]
        let keyspaces = [
            "shop": KeyspaceSchema(
                name: "shop", replication: replication, tables: ["users": simple]),
            "Shop": KeyspaceSchema(
                name: "Shop", replication: replication, tables: ["select": rich]),
            "system": KeyspaceSchema(name: "system", replication: ["class": "LocalStrategy"]),
        ]
        return try Describer(
            keyspaces: keyspaces, currentKeyspace: current,
            cluster: ClusterDescription(name: "c", partitioner: "p", snitch: "s")
        ).describe(statement)
    }

    /// Rows as `keyspace type name`, with `+` when there is a statement.
    private func rows(_ text: String, in current: String? = nil) throws -> [String] {
        switch try describe(text, in: current) {
        case .names(let elements), .statements(let elements):
            elements.map {
                "\($0.keyspace) \($0.type) \($0.name)" + ($0.createStatement == nil ? "" : " +")
            }
        case .cluster(let cluster, let withRanges): ["\(cluster.name) \(withRanges)"]
        }
    }

    @Test func namesAreListedInOrder() throws {
        let shop = "\"Shop\" keyspace \"Shop\""
        #expect(
            try rows("DESCRIBE KEYSPACES")
                == [shop, "shop keyspace shop", "system keyspace system"])
        #expect(
            try rows("DESCRIBE TABLES") == ["\"Shop\" table \"select\"", "shop table users"])
        #expect(try rows("DESCRIBE TABLES", in: "shop") == ["shop table users"])
        #expect(try rows("DESCRIBE TYPES") == [])
    }

    @Test func elementsComeWithTheirStatements() throws {
        #expect(try rows("DESCRIBE TABLE shop.users") == ["shop table users +"])
        #expect(try rows("DESCRIBE TABLE users", in: "shop") == ["shop table users +"])
        let shop = ["shop keyspace shop +", "shop table users +"]
        #expect(try rows("DESCRIBE KEYSPACE shop") == shop)
        #expect(try rows("DESCRIBE KEYSPACE", in: "shop") == shop)
        #expect(try rows("DESCRIBE ONLY KEYSPACE shop") == ["shop keyspace shop +"])
        #expect(try rows("DESCRIBE shop") == shop)
        #expect(try rows("DESCRIBE users", in: "shop") == ["shop table users +"])
        #expect(try rows("DESCRIBE shop.users") == ["shop table users +"])
        #expect(try rows("DESCRIBE SCHEMA").count == 4)
        #expect(try rows("DESCRIBE FULL SCHEMA").count == 5)
        #expect(try rows("DESCRIBE CLUSTER") == ["c false"])
        #expect(try rows("DESCRIBE CLUSTER", in: "shop") == ["c true"])
        #expect(try rows("DESCRIBE CLUSTER", in: "system") == ["c false"])
    }

    @Test(arguments: [
        ("DESCRIBE KEYSPACE", nil, "No keyspace specified and no current keyspace"),
        ("DESCRIBE KEYSPACE gone", nil, "'gone' not found in keyspaces"),
        ("DESCRIBE TABLE users", nil, "No keyspace specified and no current keyspace"),
        ("DESCRIBE TABLE shop.gone", nil, "Table 'gone' not found in keyspace 'shop'"),
        ("DESCRIBE gone", nil, "'gone' not found in keyspaces"),
        ("DESCRIBE gone", "shop", "'gone' not found in keyspace 'shop'"),
        ("DESCRIBE INDEX shop.i", nil, "Index 'i' not found in 'shop'"),
        ("DESCRIBE TYPE t", "shop", "User defined type 't' not found in 'shop'"),
    ])
    func missingThingsAreNamed(text: String, current: String?, message: String) throws {
        #expect(throws: DescribeError(message: message)) { try describe(text, in: current) }
    }
}
