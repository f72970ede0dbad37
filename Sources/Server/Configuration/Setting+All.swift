// SPDX-License-Identifier: Apache-2.0

extension Setting {
    /// Settings that belong together, under a heading.
    package struct Section: Sendable {
        package let title: String
        package let settings: [Setting]
    }

    /// Every setting, in the order of tholos.yaml.
    ///
    /// The only place that lists them: the file, the page about it and the loader are made from it.
    package static let sections: [Section] = [
        Section(
            title: "Who this node is",
            settings: [
                .text(
                    "cluster_name",
                    \.clusterName,
                    "The name that clients are told."
                ),
                .text(
                    "data_center",
                    \.dataCenter,
                    "The data centre that drivers route by."
                ),
                .text(
                    "rack",
                    \.rack,
                    "The rack in that data centre."
                ),
                .text(
                    "rackdc_file",
                    \.rackDCFile,
                    absent: "none",
                    "A cassandra-rackdc.properties that names data centre and rack in their place."
                ),
            ]
        ),
        Section(
            title: "The cluster",
            settings: [
                .text(
                    "seeds",
                    \.seeds,
                    absent: "none",
                    "Nodes to ask for the cluster at first, as in 10.0.0.1,10.0.0.2:7000; the first"
                        + " node of a cluster names itself. Without seeds a node is on its own."
                ),
                .text(
                    "listen_address",
                    \.listenAddress,
                    absent: "rpc_address",
                    "The address where other nodes reach this one."
                ),
                .number(
                    "storage_port",
                    \.storagePort,
                    1...65535,
                    "The port where other nodes reach this one."
                ),
                .choice(
                    "internode_encryption",
                    \.internodeEncryption,
                    "Whether connections between nodes go under TLS, in which each side shows its"
                        + " certificate: the same on all nodes."
                ),
                .text(
                    "internode_certificate",
                    \.internodeCertificate,
                    absent: "none",
                    "The node's certificate, for both sides of a connection, and those between it and"
                        + " the authority's: a file in PEM."
                ),
                .text(
                    "internode_key",
                    \.internodeKey,
                    absent: "none",
                    "The private key of internode_certificate: a file in PEM."
                ),
                .text(
                    "internode_authority",
                    \.internodeAuthority,
                    absent: "none",
                    "The certificates of those who sign nodes' certificates: a file in PEM. Who has a"
                        + " certificate signed by them is taken for a node."
                ),
                .number(
                    "num_tokens",
                    \.tokenCount,
                    1...1536,
                    "How many tokens the node gets when it joins."
                ),
                .text(
                    "initial_token",
                    \.initialToken,
                    absent: "none",
                    "The tokens that the node gets when it joins, in place of chosen ones."
                ),
                .text(
                    "replace_address_first_boot",
                    \.replaceAddress,
                    absent: "none",
                    "The dead node whose place a new node takes."
                ),
                .choice(
                    "auto_repair",
                    \.autoRepair,
                    "Whether this node repairs, now and then, the ranges of which it is the first replica, so that each"
                        + " is in sync within its table's gc_grace_seconds."
                ),
                .duration(
                    "read_request_timeout",
                    \.readRequestTimeout,
                    .milliseconds(10)...(.seconds(600)),
                    "How long a coordinator waits for replicas that read one partition."
                ),
                .duration(
                    "range_request_timeout",
                    \.rangeRequestTimeout,
                    .milliseconds(10)...(.seconds(600)),
                    "How long a coordinator waits for replicas that scan."
                ),
                .duration(
                    "write_request_timeout",
                    \.writeRequestTimeout,
                    .milliseconds(10)...(.seconds(600)),
                    "How long a coordinator waits for replicas that write."
                ),
                .duration(
                    "cas_contention_timeout",
                    \.casContentionTimeout,
                    .milliseconds(10)...(.seconds(600)),
                    "How long a conditional write or a serial read goes on trying."
                ),
            ]
        ),
        Section(
            title: "Data",
            settings: [
                .text(
                    "data_directory",
                    \.dataDirectory,
                    "The folder of commit logs and SSTables; relative to where the node is started."
                ),
                .number(
                    "num_shards",
                    \.shardCount,
                    1...256,
                    absent: "auto",
                    "How many shards, each with a thread, share the data; auto is one a core."
                ),
            ]
        ),
        Section(
            title: "CQL clients",
            settings: [
                .text(
                    "rpc_address",
                    \.rpcAddress,
                    "The address to listen on; 0.0.0.0 for all, then set broadcast_rpc_address too."
                ),
                .text(
                    "broadcast_rpc_address",
                    \.broadcastRPCAddress,
                    absent: "rpc_address",
                    "The address that drivers are told to connect to."
                ),
                .number(
                    "native_transport_port",
                    \.nativeTransportPort,
                    0...65535,
                    "The port of the CQL protocol; 0 lets the system choose."
                ),
                .number(
                    "native_transport_port_shard_aware",
                    \.nativeTransportPortShardAware,
                    0...65535,
                    "The port where a client's own port chooses the shard; 0 for none."
                ),
                .size(
                    "native_transport_max_frame_size",
                    \.nativeTransportFrameSizeMax,
                    (64 << 10)...(256 << 20),
                    "The largest request; a larger one is refused and its connection closed."
                ),
                .number(
                    "native_transport_max_concurrent_connections",
                    \.nativeTransportConnectionsMax,
                    1...1_000_000,
                    "How many clients may be connected at once; more are refused."
                ),
            ]
        ),
        Section(
            title: "Administration",
            settings: [
                .text(
                    "admin_address",
                    \.adminAddress,
                    absent: "loopback",
                    "The address on which tholos admin is answered, without asking who it is: another than "
                        + "a loopback address is open to whoever reaches it. loopback is rpc_address if that "
                        + "is one, and else 127.0.0.1."
                ),
                .number(
                    "admin_port",
                    \.adminPort,
                    0...65535,
                    "The port on which tholos admin is answered; 0 for none."
                ),
            ]
        ),
        Section(
            title: "Limits of statements",
            settings: [
                .size(
                    "cql_statement_size_max",
                    \.statementSizeMax,
                    1024...(256 << 20),
                    "The longest text of a statement."
                ),
                .number(
                    "prepared_statements_max",
                    \.preparedStatementsMax,
                    10...1_000_000,
                    "How many prepared statements are kept; clients prepare a dropped one again."
                ),
                .size(
                    "batch_size_fail_threshold",
                    \.batchSizeFailThreshold,
                    1024...(256 << 20),
                    "A batch over several shards that is larger is refused."
                ),
            ]
        ),
        Section(
            title: "Writing",
            settings: [
                .choice(
                    "commitlog_sync",
                    \.commitLogSync,
                    "group acknowledges a write once it is on disk; periodic at once, and what came "
                        + "since the last sync is lost if the machine stops."
                ),
                .duration(
                    "commitlog_sync_period",
                    \.commitLogSyncPeriod,
                    .milliseconds(1)...(.seconds(60)),
                    "The time between syncs when commitlog_sync is periodic."
                ),
                .size(
                    "commitlog_segment_size",
                    \.commitLogSegmentSize,
                    (1 << 20)...(1 << 30),
                    "The size at which a commit log goes on in a new file."
                ),
                .size(
                    "memtable_space",
                    \.memtableSpace,
                    (8 << 20)...(64 << 30),
                    "What all memtables of the node may hold before the largest is flushed."
                ),
            ]
        ),
        Section(
            title: "Reading and compacting",
            settings: [
                .size(
                    "block_cache_size",
                    \.blockCacheSize,
                    0...(1 << 40),
                    "The memory for decompressed blocks of SSTables, over all shards."
                ),
                .number(
                    "page_work_max",
                    \.pageWorkMax,
                    1000...(1 << 40),
                    "How many rows and deletions a read may pass for one page, which then ends, also empty."
                ),
                .number(
                    "tombstone_warn_threshold",
                    \.tombstoneWarnThreshold,
                    0...(1 << 40),
                    "A read that passes more deletions than this for one page warns its client."
                ),
                .number(
                    "concurrent_compactors",
                    \.concurrentCompactors,
                    1...64,
                    absent: "auto",
                    "How many compactions may run at once; auto is one a core, and at least two."
                ),
                .number(
                    "compaction_throughput",
                    \.compactionThroughput,
                    0...100_000,
                    "The most MiB a second that compactions work through; 0 is no bound. They yield to "
                        + "requests without one."
                ),
                .size(
                    "disk_reserve",
                    \.diskReserve,
                    0...(1 << 40),
                    "With less free space on the disk, only deletions and reads are served."
                ),
            ]
        ),
    ]

    /// Every setting, in the order of tholos.yaml.
    package static let all: [Setting] = sections.flatMap(\.settings)

    /// The setting called `name`.
    package static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

    /// The name that somebody who wrote `name` most likely meant.
    package static func nameMeant(by name: String) -> String? {
        let lowered = name.lowercased()
        if let renamed = namesOfCassandra[lowered] { return renamed }
        let nearest = all.map { (name: $0.name, distance: editDistance($0.name, lowered)) }
            .min { $0.distance < $1.distance }
        guard let nearest, nearest.distance <= max(2, name.count / 4) else { return nil }
        return nearest.name
    }

    /// Names that cassandra.yaml has for what is called or shaped otherwise here.
    private static let namesOfCassandra = [
        "data_file_directories": "data_directory",
        "commitlog_directory": "data_directory",
        "memtable_heap_space": "memtable_space",
        "memtable_heap_space_in_mb": "memtable_space",
        "memtable_offheap_space": "memtable_space",
        "file_cache_size": "block_cache_size",
        "native_transport_port_ssl": "native_transport_port",
        "native_shard_aware_transport_port": "native_transport_port_shard_aware",
        "commitlog_sync_period_in_ms": "commitlog_sync_period",
        "compaction_throughput_mb_per_sec": "compaction_throughput",
        "commitlog_sync_group_window": "commitlog_sync",
        "commitlog_segment_size_in_mb": "commitlog_segment_size",
        "batch_size_fail_threshold_in_kb": "batch_size_fail_threshold",
    ]
}

/// How many letters have to be added, removed or changed to make `a` of `b` (Levenshtein).
private func editDistance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8.prefix(128)))
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let changed = diagonal + (letter == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
