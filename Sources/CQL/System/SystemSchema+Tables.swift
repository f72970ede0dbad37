// SPDX-License-Identifier: Apache-2.0

extension SystemSchema {
    private static let local = ["class": Replication.package + "LocalStrategy"]

    /// Every system keyspace.
    static let keyspaces = [
        Definition(name: "system", replication: local, tables: system),
        Definition(name: "system_schema", replication: local, tables: schemaTables),
        Definition(
            name: "system_traces",
            replication: [
                "class": Replication.package + "SimpleStrategy", Replication.factorName: "2",
            ],
            tables: traces
        ),
        Definition(name: "system_views", replication: local, tables: views),
        Definition(name: "system_virtual_schema", replication: local, tables: virtualSchema),
    ]

    private static let system: [(comment: String, text: String)] = [
        (
            "information about the local node",
            """
            local (
                key text PRIMARY KEY, bootstrapped text, broadcast_address inet,
                broadcast_port int, cluster_name text, cql_version text, data_center text,
                gossip_generation int, host_id uuid, listen_address inet, listen_port int,
                native_protocol_version text, partitioner text, rack text, release_version text,
                rpc_address inet, rpc_port int, schema_version uuid, tokens set<text>,
                truncated_at map<uuid, blob>)
            """
        ),
        (
            "information about known peers in the cluster",
            """
            peers (
                peer inet PRIMARY KEY, data_center text, host_id uuid, preferred_ip inet,
                rack text, release_version text, rpc_address inet, schema_version uuid,
                tokens set<text>)
            """
        ),
        (
            "information about known peers in the cluster",
            """
            peers_v2 (
                peer inet, peer_port int, data_center text, host_id uuid, native_address inet,
                native_port int, preferred_ip inet, preferred_port int, rack text,
                release_version text, schema_version uuid, tokens set<text>,
                PRIMARY KEY (peer, peer_port))
            """
        ),
        (
            "built views",
            """
            built_views (
                keyspace_name text, view_name text, status_replicated boolean,
                PRIMARY KEY (keyspace_name, view_name))
            """
        ),
        (
            "views builds current progress",
            """
            view_builds_in_progress (
                keyspace_name text, view_name text, start_token text, end_token text,
                keys_built bigint, last_token text,
                PRIMARY KEY (keyspace_name, view_name, start_token, end_token))
            """
        ),
        (
            "per-table primary range size estimates, table is deprecated in favor of"
                + " table_estimates",
            """
            size_estimates (
                keyspace_name text, table_name text, range_start text, range_end text,
                mean_partition_size bigint, partitions_count bigint,
                PRIMARY KEY (keyspace_name, table_name, range_start, range_end))
            """
        ),
        (
            "per-table range size estimates",
            """
            table_estimates (
                keyspace_name text, table_name text, range_type text, range_start text,
                range_end text, mean_partition_size bigint, partitions_count bigint,
                PRIMARY KEY (keyspace_name, table_name, range_type, range_start, range_end))
            """
        ),
        (
            "built column indexes",
            """
            "IndexInfo" (
                table_name text, index_name text, value blob,
                PRIMARY KEY (table_name, index_name))
            """
        ),
    ]

    /// What tables and views have in common: the options of a table.
    private static let optionColumns = """
        additional_write_policy text, allow_auto_snapshot boolean,
        bloom_filter_fp_chance double, caching frozen<map<text, text>>, cdc boolean,
        comment text, compaction frozen<map<text, text>>,
        compression frozen<map<text, text>>, crc_check_chance double,
        dclocal_read_repair_chance double, default_time_to_live int,
        extensions frozen<map<text, blob>>, gc_grace_seconds int, id uuid,
        incremental_backups boolean, max_index_interval int, memtable text,
        memtable_flush_period_in_ms int, min_index_interval int, read_repair text,
        read_repair_chance double, speculative_retry text
        """

    private static let columnColumns = """
        columns (
            keyspace_name text, table_name text, column_name text, clustering_order text,
            column_name_bytes blob, kind text, position int, type text,
            PRIMARY KEY (keyspace_name, table_name, column_name))
        """

    private static let schemaTables: [(comment: String, text: String)] = [
        (
            "keyspace definitions",
            """
            keyspaces (
                keyspace_name text PRIMARY KEY, durable_writes boolean,
                replication frozen<map<text, text>>)
            """
        ),
        (
            "table definitions",
            """
            tables (
                keyspace_name text, table_name text, flags frozen<set<text>>, \(optionColumns),
                PRIMARY KEY (keyspace_name, table_name))
            """
        ),
        ("column definitions", columnColumns),
        (
            "column dynamic data masks",
            """
            column_masks (
                keyspace_name text, table_name text, column_name text,
                function_argument_nulls frozen<list<boolean>>,
                function_argument_types frozen<list<text>>,
                function_argument_values frozen<list<text>>, function_keyspace text,
                function_name text, PRIMARY KEY (keyspace_name, table_name, column_name))
            """
        ),
        (
            "dropped column registry",
            """
            dropped_columns (
                keyspace_name text, table_name text, column_name text, dropped_time timestamp,
                kind text, type text, PRIMARY KEY (keyspace_name, table_name, column_name))
            """
        ),
        (
            "trigger definitions",
            """
            triggers (
                keyspace_name text, table_name text, trigger_name text,
                options frozen<map<text, text>>,
                PRIMARY KEY (keyspace_name, table_name, trigger_name))
            """
        ),
        (
            "view definitions",
            """
            views (
                keyspace_name text, view_name text, base_table_id uuid, base_table_name text,
                include_all_columns boolean, where_clause text, \(optionColumns),
                PRIMARY KEY (keyspace_name, view_name))
            """
        ),
        (
            "user defined type definitions",
            """
            types (
                keyspace_name text, type_name text, field_names frozen<list<text>>,
                field_types frozen<list<text>>, PRIMARY KEY (keyspace_name, type_name))
            """
        ),
        (
            "user defined function definitions",
            """
            functions (
                keyspace_name text, function_name text, argument_types frozen<list<text>>,
                argument_names frozen<list<text>>, body text, called_on_null_input boolean,
                language text, return_type text,
                PRIMARY KEY (keyspace_name, function_name, argument_types))
            """
        ),
        (
            "user defined aggregate definitions",
            """
            aggregates (
                keyspace_name text, aggregate_name text, argument_types frozen<list<text>>,
                final_func text, initcond text, return_type text, state_func text,
                state_type text, PRIMARY KEY (keyspace_name, aggregate_name, argument_types))
            """
        ),
        (
            "secondary index definitions",
            """
            indexes (
                keyspace_name text, table_name text, index_name text, kind text,
                options frozen<map<text, text>>,
                PRIMARY KEY (keyspace_name, table_name, index_name))
            """
        ),
    ]

    private static let traces: [(comment: String, text: String)] = [
        (
            "tracing sessions",
            """
            sessions (
                session_id uuid PRIMARY KEY, client inet, command text, coordinator inet,
                coordinator_port int, duration int, parameters map<text, text>, request text,
                started_at timestamp)
            """
        ),
        (
            "tracing events",
            """
            events (
                session_id uuid, event_id timeuuid, activity text, source inet,
                source_elapsed int, source_port int, thread text,
                PRIMARY KEY (session_id, event_id))
            """
        ),
    ]

    /// The first columns of `sstable_tasks` are Cassandra's.
    private static let views: [(comment: String, text: String)] = [
        (
            "flushes and compactions that run",
            """
            sstable_tasks (
                keyspace_name text, table_name text, task_id uuid, completion_ratio double,
                kind text, progress bigint, sstables int, target_directory text, total bigint,
                unit text, bytes_per_second bigint, predicted_bytes bigint, seconds_left bigint,
                shard int, PRIMARY KEY (keyspace_name, table_name, task_id))
            """
        ),
        (
            "how the shards take writes",
            """
            write_admission (
                shard int PRIMARY KEY, delay_micros bigint, delayed_writes bigint,
                disk_full boolean, pressure double, reason text, refused_writes bigint)
            """
        ),
        (
            "secondary indexes and how far they are built",
            """
            sai_column_indexes (
                keyspace_name text, index_name text, analyzer text, built_bytes bigint,
                column_name text, is_building boolean, is_queryable boolean, is_string boolean,
                table_name text, total_bytes bigint,
                PRIMARY KEY (keyspace_name, index_name))
            """
        ),
        (
            "parts of SSTables that can't be read",
            """
            quarantined_blocks (
                keyspace_name text, table_name text, file text, block_offset bigint,
                block_length bigint, first_key blob, last_key blob, reason text,
                found_at timestamp,
                PRIMARY KEY ((keyspace_name, table_name), file, block_offset))
            """
        )
    ]

    private static let virtualSchema: [(comment: String, text: String)] = [
        ("virtual keyspace definitions", "keyspaces (keyspace_name text PRIMARY KEY)"),
        (
            "virtual table definitions",
            """
            tables (
                keyspace_name text, table_name text, comment text,
                PRIMARY KEY (keyspace_name, table_name))
            """
        ),
        ("virtual column definitions", columnColumns),
    ]
}
