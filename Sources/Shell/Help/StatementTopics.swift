// SPDX-License-Identifier: Apache-2.0

/// What `HELP` says of CQL's statements.
enum StatementTopics {
    static let all: [HelpTopics.Topic] = [
        .init(
            name: "ALTER KEYSPACE",
            summary: "change how a keyspace is replicated",
            text: """
                ALTER KEYSPACE [IF EXISTS] name WITH REPLICATION = { … } [AND DURABLE_WRITES = …];
                """,
            examples: """
                ALTER KEYSPACE shop WITH REPLICATION =
                  {'class': 'NetworkTopologyStrategy', 'dc1': 3};
                """
        ),
        .init(
            name: "ALTER TABLE",
            summary: "add, drop or rename columns, or change options",
            text: """
                ALTER TABLE [IF EXISTS] name
                  ADD column type [, …] | DROP column [, …] | RENAME key TO new | WITH option = … ;
                """,
            examples: """
                ALTER TABLE orders ADD note text;
                ALTER TABLE orders WITH gc_grace_seconds = 3600;
                """
        ),
        .init(
            name: "BATCH",
            summary: "run several writes as one",
            text: """
                BEGIN [UNLOGGED | COUNTER] BATCH [USING TIMESTAMP microseconds]
                  insert, update or delete; …
                APPLY BATCH;
                """,
            examples: """
                BEGIN BATCH
                  INSERT INTO orders (customer, day, id, total) VALUES ('ada', '2026-05-01', 1, 9.5);
                  DELETE FROM orders WHERE customer = 'ada' AND day = '2026-04-01';
                APPLY BATCH;
                """
        ),
        .init(
            name: "CREATE KEYSPACE",
            summary: "make a keyspace, which holds tables",
            text: """
                CREATE KEYSPACE [IF NOT EXISTS] name
                  WITH REPLICATION = {'class': …, …} [AND DURABLE_WRITES = true | false];
                """,
            examples: """
                CREATE KEYSPACE shop
                  WITH REPLICATION = {'class': 'SimpleStrategy', 'replication_factor': 1};
                """
        ),
        .init(
            name: "CREATE TABLE",
            summary: "make a table",
            text: """
                CREATE TABLE [IF NOT EXISTS] name (
                  column type [STATIC], …,
                  PRIMARY KEY ((partition key, …), clustering column, …)
                ) [WITH CLUSTERING ORDER BY (column DESC) AND option = …];

                The partition key decides which node holds the rows, and reads name it; the clustering
                columns order the rows of a partition.
                """,
            examples: """
                CREATE TABLE orders (
                  customer text, day date, id int, total double, tags set<text>,
                  PRIMARY KEY (customer, day, id)
                ) WITH CLUSTERING ORDER BY (day DESC, id ASC);
                """
        ),
        .init(
            name: "DELETE",
            summary: "delete a partition, rows, a range of rows, or values",
            text: """
                DELETE [column, element[…]] FROM table [USING TIMESTAMP microseconds]
                  WHERE … [IF EXISTS | IF condition [AND …]];
                """,
            examples: """
                DELETE FROM orders WHERE customer = 'ada' AND day < '2026-01-01';
                """
        ),
        .init(
            name: "DROP KEYSPACE",
            summary: "remove a keyspace with all of its tables",
            text: """
                DROP KEYSPACE [IF EXISTS] name;
                """,
            examples: """
                DROP KEYSPACE shop;
                """
        ),
        .init(
            name: "DROP TABLE",
            summary: "remove a table with all of its rows",
            text: """
                DROP TABLE [IF EXISTS] name;
                """,
            examples: """
                DROP TABLE orders;
                """
        ),
        .init(
            name: "INSERT",
            summary: "write a row; values that it does not name stay",
            text: """
                INSERT INTO table (column, …) VALUES (value, …) [IF NOT EXISTS]
                  [USING TTL seconds AND TIMESTAMP microseconds];
                """,
            examples: """
                INSERT INTO orders (customer, day, id, total, tags)
                  VALUES ('ada', '2026-05-01', 1, 9.5, {'gift'}) USING TTL 86400;
                """
        ),
        .init(
            name: "SELECT",
            summary: "read rows",
            text: """
                SELECT [DISTINCT] * | column, count(*), max(column), writetime(column), … FROM table
                  [WHERE …] [GROUP BY …] [ORDER BY column ASC | DESC]
                  [PER PARTITION LIMIT n] [LIMIT n] [ALLOW FILTERING];

                A read without the whole partition key looks at every partition; one that has to throw
                rows away asks for ALLOW FILTERING.
                """,
            examples: """
                SELECT day, total FROM orders WHERE customer = 'ada' AND day >= '2026-01-01' LIMIT 10;
                SELECT count(*) FROM orders;
                """
        ),
        .init(
            name: "TRUNCATE",
            summary: "remove all rows of a table",
            text: """
                TRUNCATE [TABLE] name;
                """,
            examples: """
                TRUNCATE orders;
                """
        ),
        .init(
            name: "TYPES",
            summary: "the data types and how their values are written",
            text: """
                ascii text varchar            'it''s', $$it's$$
                tinyint smallint int bigint   -12 (8, 16, 32 and 64 bits)
                varint decimal                as large and as precise as you like
                float double                  1.5, 1e9, NaN, Infinity
                boolean                       true, false
                blob                          0xcafe
                uuid timeuuid                 123e4567-e89b-12d3-a456-426614174000, uuid(), now()
                date time timestamp           '2026-05-01', '12:30:00.5', '2026-05-01 12:30:00+0000'
                duration                      1h30m, 2d
                inet                          '192.0.2.1', '2001:db8::1'
                counter                       changed by UPDATE … SET c = c + 1 alone
                list<…> set<…> map<…, …>      [1, 2], {1, 2}, {'a': 1}
                tuple<…, …>                   (1, 'a')
                frozen<…>                     a collection that is written as one value
                """
        ),
        .init(
            name: "UPDATE",
            summary: "write values of a row, making it if there is none",
            text: """
                UPDATE table [USING TTL seconds AND TIMESTAMP microseconds] SET column = value, …
                  WHERE whole primary key [IF EXISTS | IF condition [AND …]];
                """,
            examples: """
                UPDATE orders SET tags = tags + {'late'}
                  WHERE customer = 'ada' AND day = '2026-05-01' AND id = 1;
                """
        ),
        .init(
            name: "USE",
            summary: "name the keyspace of tables that don't say theirs",
            text: """
                USE keyspace;
                """,
            examples: """
                USE shop;
                """
        ),
    ]
}
