// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

// The manifest is the architecture: a target is a layer with one job and imports only what stands
// below it. docs/layout.md says what each is for.

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    // Small functions of Bytes and Model are inlined into the engine's loops.
    // Exclusive access is checked in debug builds, in which all tests run; a release build that
    // checks it spends some 5 % of a request on that.
    .unsafeFlags(
        ["-cross-module-optimization", "-enforce-exclusivity=unchecked"],
        .when(configuration: .release)
    ),
]

/// A library from the system, reached through the module map in `Sources/NAME`.
func system(_ name: String, _ package: String) -> Target {
    .systemLibrary(name: name, path: "Sources/\(name)", providers: [.apt([package])])
}

let package = Package(
    name: "tholos",
    dependencies: [
        // YAML: the configuration file.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Command lines: parsing, help, completion scripts.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // Bytes: varints, checksums, hashes, arenas, codecs.
        system("CLZ4", "liblz4-dev"),
        system("CSnappy", "libsnappy-dev"),
        system("CZstd", "libzstd-dev"),
        system("CXXHash", "libxxhash-dev"),
        system("CZlib", "zlib1g-dev"),
        .systemLibrary(name: "CIntrinsics", path: "Sources/CIntrinsics"),
        .target(
            name: "Bytes",
            dependencies: ["CIntrinsics", "CLZ4", "CSnappy", "CZstd", "CXXHash", "CZlib"],
            swiftSettings: settings
        ),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: settings),

        // Model: tokens, types, values, keys, rows, mutations, schema. Pure values.
        .target(name: "Model", dependencies: ["Bytes"], swiftSettings: settings),
        .testTarget(name: "ModelTests", dependencies: ["Model"], swiftSettings: settings),

        // CQL: the language. Parses, plans, executes.
        .target(
            name: "CQL",
            dependencies: ["Bytes", "CQLProtocol", "Cluster", "Environment", "Model", "Node", "Storage"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CQLTests",
            dependencies: [
                "Bytes", "CAllocationCount", "CQL", "CQLProtocol", "Environment", "Model", "Node", "Storage",
            ],
            exclude: ["testdata"],
            swiftSettings: settings
        ),

        // Environment: clock, files, network, randomness, executors.
        system("CUIO", "libc6-dev"),
        .target(
            name: "Environment",
            dependencies: ["Bytes", "CUIO", "Model"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "EnvironmentTests",
            dependencies: ["Bytes", "Environment"],
            swiftSettings: settings
        ),

        // CQLProtocol: the CQL binary protocol's frames and messages, both directions, no I/O.
        .target(name: "CQLProtocol", dependencies: ["Bytes", "Model"], swiftSettings: settings),
        .testTarget(
            name: "CQLProtocolTests",
            dependencies: ["Bytes", "Model", "CQLProtocol"],
            swiftSettings: settings
        ),

        // Transport: connections on event loops. NIO is imported here and above.
        .target(
            name: "Transport",
            dependencies: [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Model",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Model", "Transport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // Client: the Swift CQL driver.
        .target(
            name: "Client",
            dependencies: [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Model",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ClientTests",
            dependencies: ["Bytes", "CQLProtocol", "Client", "Cluster", "Environment", "Model", "Transport"],
            swiftSettings: settings
        ),

        // Storage: the engine of one shard: commit log, memtables, SSTables, compaction.
        .target(
            name: "Storage",
            dependencies: ["Bytes", "Environment", "Model"],
            swiftSettings: settings
        ),
        // Counts a thread's allocations, for tests of what allocates nothing.
        .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
        .testTarget(
            name: "StorageTests",
            dependencies: ["Bytes", "CAllocationCount", "Environment", "Model", "Storage"],
            exclude: ["fixtures", "testdata"],
            swiftSettings: settings
        ),

        // Cluster: ring, gossip, Paxos, coordinator, hints, repair: state machines without I/O.
        .target(name: "Cluster", dependencies: ["Bytes", "Model"], swiftSettings: settings),
        .testTarget(
            name: "ClusterTests",
            dependencies: ["Bytes", "Cluster", "Environment", "Model"],
            swiftSettings: settings
        ),

        // AdminProtocol: the commands of the admin port and their answers, as values.
        .target(name: "AdminProtocol", swiftSettings: settings),

        // Server: configuration; listeners and service lifecycle.
        .target(
            name: "Server",
            dependencies: [
                "AdminProtocol", "Bytes", "CQL", "CQLProtocol", "Environment", "Model", "Node", "Storage",
                "Transport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ServerTests",
            dependencies: ["Admin", "AdminProtocol", "Client", "Server", "Transport"],
            swiftSettings: settings
        ),

        // Admin: `tholos admin`, a running node looked at and looked after.
        .target(
            name: "Admin",
            dependencies: [
                "AdminProtocol",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "AdminTests",
            dependencies: ["Admin", "AdminProtocol"],
            resources: [.copy("Golden")],
            swiftSettings: settings
        ),

        // Node: shards over the engine, the schema and its log.
        .target(
            name: "Node",
            dependencies: ["Bytes", "Cluster", "Environment", "Model", "Storage"],
            swiftSettings: settings
        ),
        // A node in one thread for tests, and the engine's model test; tools/model-test runs it.
        .executableTarget(
            name: "ModelTest",
            dependencies: ["Bytes", "Environment", "Model", "Node", "Storage"],
            path: "Tests/ModelTest",
            swiftSettings: settings
        ),
        .testTarget(
            name: "NodeTests",
            dependencies: ["Bytes", "Cluster", "Environment", "Model", "ModelTest", "Node", "Storage"],
            swiftSettings: settings
        ),

        // Simulator: whole clusters in one thread, from a seed, with faults and checkers.
        .target(
            name: "Simulator",
            dependencies: [
                "Bytes", "CQL", "CQLProtocol", "Cluster", "Environment", "Model", "Node", "Storage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SimulatorTests",
            dependencies: ["Bytes", "Environment", "Model", "Simulator"],
            swiftSettings: settings
        ),

        // Shell: statements by hand or from a script, to a node or to an embedded database.
        system("CEdit", "libedit-dev"),
        .target(
            name: "Shell",
            dependencies: [
                "Bytes", "CEdit", "CQL", "CQLProtocol", "Client", "Environment", "Model", "Node",
                "Storage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ShellTests",
            dependencies: ["Bytes", "CQL", "CQLProtocol", "Environment", "Model", "Shell"],
            resources: [.copy("Golden")],
            swiftSettings: settings
        ),

        // Import: bulk load of CSV and NDJSON into a database behind `ImportTarget`.
        system("CCSV", "libcsv-dev"),
        .target(
            name: "Import",
            dependencies: [
                "Bytes", "CQLProtocol", "CQL", "Client", "Environment", "Model", "Node", "Storage", "CCSV",
                "CZlib",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ImportTests",
            dependencies: ["Bytes", "Environment", "Import", "Model", "Node", "Storage"],
            exclude: ["testdata"],
            swiftSettings: settings
        ),

        // SSTableTool: SSTables looked into, listed, dumped and checked.
        .target(
            name: "SSTableTool",
            dependencies: [
                "Bytes", "Environment", "Model", "Storage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SSTableToolTests",
            dependencies: ["Bytes", "Environment", "Model", "SSTableTool", "Storage"],
            swiftSettings: settings
        ),

        // Bench: `tholos bench`, programs that measure what the layers below cost.
        .target(
            name: "Bench",
            dependencies: [
                "Bytes", "Client", "Cluster", "Environment", "Model", "Node", "Simulator", "Storage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "BenchTests",
            dependencies: ["Bench", "Client", "Environment"],
            swiftSettings: settings
        ),

        // The executable: parses arguments, builds, runs; nothing else.
        .executableTarget(
            name: "tholos",
            dependencies: [
                "Admin", "Bench", "Import", "Model", "SSTableTool", "Server", "Shell", "Simulator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),

        // Inputs that once stopped a decoder, replayed; tools/fuzz finds them.
        .testTarget(
            name: "CrasherTests",
            dependencies: ["Bytes", "CQL", "CQLProtocol", "Storage"],
            exclude: ["inputs"],
            swiftSettings: settings
        ),

        // The conventions, checked on the sources.
        .testTarget(name: "TidyTests", swiftSettings: settings),
    ]
)

// Decoders of untrusted bytes under libFuzzer: only for tools/fuzz, which sets the variable.
if Context.environment["THOLOS_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz",
            dependencies: ["Bytes", "CQL", "CQLProtocol", "Environment", "Model", "Storage"],
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]
        )
    )
}
