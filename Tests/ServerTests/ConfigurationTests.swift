// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Server

/// The loader: what a tholos.yaml may say, and how it is told what is wrong.
@Suite struct ConfigurationTests {
    private func load(_ yaml: String) throws(ConfigurationError) -> Configuration {
        try Configuration(yaml: yaml, file: "t.yaml")
    }

    private func problem(_ yaml: String) -> String {
        do {
            _ = try load(yaml)
            return "accepted"
        } catch {
            return error.description
        }
    }

    @Test(arguments: ["", "# only a comment\n", "---\n", "~"])
    func emptyFileIsTheDefaults(yaml: String) throws {
        #expect(try load(yaml) == Configuration())
    }

    @Test func everyKindOfValueIsRead() throws {
        let configuration = try load(
            """
            cluster_name: 'Tower of the Winds'   # a comment
            num_shards: 3
            native_transport_port: 9142
            memtable_space: 64MiB
            commitlog_sync: periodic
            commitlog_sync_period: 250ms
            broadcast_rpc_address: 10.0.0.7
            """
        )
        var expected = Configuration()
        expected.clusterName = "Tower of the Winds"
        expected.shardCount = 3
        expected.nativeTransportPort = 9142
        expected.memtableSpace = 64 << 20
        expected.commitLogSync = .periodic
        expected.commitLogSyncPeriod = .milliseconds(250)
        expected.broadcastRPCAddress = "10.0.0.7"
        #expect(configuration == expected)
    }

    @Test func wordsForAbsentValuesAreRead() throws {
        let configuration = try load("num_shards: auto\nbroadcast_rpc_address: rpc_address\n")
        #expect(configuration == Configuration())
    }

    @Test func unknownNameIsRefusedWithItsLineAndTheNearestName() {
        #expect(
            problem("cluster_name: a\n\nnativ_transport_port: 1\n")
                == "t.yaml:3: there is no setting \"nativ_transport_port\"; "
                + "did you mean native_transport_port?"
        )
        #expect(
            problem("data_file_directories: [a]")
                == "t.yaml:1: there is no setting \"data_file_directories\"; "
                + "did you mean data_directory?"
        )
        #expect(
            problem("zebra: 1")
                == "t.yaml:1: there is no setting \"zebra\"; conf/tholos.yaml lists all of them"
        )
    }

    @Test(arguments: [
        ("native_transport_port: 65536", "\"65536\" is too large"),
        ("native_transport_port: -1", "\"-1\" is too small"),
        ("native_transport_port: 9042.5", "\"9042.5\" isn't a whole number"),
        ("num_shards: 0", "\"0\" is too small"),
        ("memtable_space: 64", "\"64\" has no unit"),
        ("memtable_space: 64MB", "\"64MB\" has an unknown unit, \"MB\""),
        ("memtable_space: MiB", "\"MiB\" doesn't begin with a number"),
        ("memtable_space: 9223372036854775807GiB", "is too large"),
        ("memtable_space: 99999999999999999999B", "is too large"),
        ("memtable_space: 1MiB", "\"1MiB\" is too small"),
        ("commitlog_sync_period: 10", "\"10\" has no unit"),
        ("commitlog_sync_period: 2m", "\"2m\" is too large"),
        ("commitlog_sync: batch", "\"batch\" isn't one of the words that it takes"),
        ("cluster_name: ''", "\"\" is empty"),
    ])
    func valueOutsideOfWhatIsAllowedIsRefused(line: String, reason: String) throws {
        let text = problem("rack: r\n\(line)\n")
        let name = try #require(line.split(separator: ":").first)
        let setting = try #require(Setting.named(String(name)))
        #expect(text.hasPrefix("t.yaml:2: \(name): "))
        #expect(text.contains(reason), "\(text)")
        #expect(text.contains(setting.allowed))
        #expect(text.hasSuffix("the default is \(setting.defaultText)"))
    }

    @Test(arguments: [
        ("rack:\n", "t.yaml:1: rack has no value, but takes"),
        ("rack: null\n", "t.yaml:1: rack has no value, but takes"),
        ("rack: [a, b]\n", "t.yaml:1: rack has a list or a mapping, but takes"),
        ("rack: {a: b}\n", "t.yaml:1: rack has a list or a mapping, but takes"),
        ("[a]: b\n", "t.yaml:1: a setting's name is a word"),
        ("- rack\n", "t.yaml:1: expected settings, one a line"),
        ("rack", "t.yaml:1: expected settings, one a line"),
        ("rack: r\n  x: [\n", "t.yaml:2: this isn't YAML: "),
        ("rack: \"r\n", "this isn't YAML: "),
        ("rack: a\ncluster_name: b\nrack: c\n", "t.yaml:3: rack is already set on line 1"),
    ])
    func malformedFileIsRefusedWithItsLine(yaml: String, expected: String) {
        #expect(problem(yaml).contains(expected), "\(problem(yaml))")
    }

    @Test func contradictionIsRefusedOnTheLineOfEither() {
        #expect(
            problem("rack: r\nnative_transport_max_frame_size: 64KiB\n")
                == "t.yaml:2: cql_statement_size_max (1MiB) is larger than "
                + "native_transport_max_frame_size (64KiB)"
        )
        #expect(
            problem("native_transport_port_shard_aware: 9042\n")
                == "t.yaml:1: native_transport_port_shard_aware (9042) is the same as "
                + "native_transport_port (9042)"
        )
    }

    @Test func optionWinsOverTheFile() throws {
        var configuration = try load("native_transport_port: 1\n")
        let option = ConfigurationError.Origin.option("--cql-port")
        try configuration.set("native_transport_port", to: "2", origin: option)
        #expect(configuration.nativeTransportPort == 2)
        #expect(throws: ConfigurationError.self) {
            try configuration.set("native_transport_port", to: "x", origin: option)
        }
        #expect(configuration.nativeTransportPort == 2)
    }

    @Test func everyDefaultIsAllowedAndWrittenAsItIsRead() throws {
        for setting in Setting.all {
            var configuration = Configuration()
            try setting.change(&configuration, setting.defaultText)
            #expect(configuration == Configuration(), "\(setting.name)")
        }
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
    }

    @Test func everyFieldOfTheConfigurationHasASetting() {
        // All but `choosesAdminPort`, which only tests set.
        let fields = Mirror(reflecting: Configuration()).children.count - 1
        #expect(fields == Setting.all.count)
    }

    @Test func longestTextOfAnErrorIsBounded() {
        let long = String(repeating: "9", count: 100_000)
        #expect(problem("num_shards: \(long)").count < 400)
        #expect(problem("\(long): 1").count < 400)
    }
}
