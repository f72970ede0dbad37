// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Foundation
internal import Node
import Storage

/// `tholos serve`: a node, until it is told to stop.
package struct ServeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Start a node.",
        discussion: """
            Without a configuration file every setting has its default: data in ./tholos-data, CQL on \
            127.0.0.1:9042, a shard for each processor. Options win over the file.

            EXAMPLES
              tholos serve
              tholos serve --data /var/lib/tholos --host 0.0.0.0 --shards 4
              tholos serve --config conf/tholos.yaml
            """
    )

    @Option(name: .long, help: "The data folder; it is made if it isn't there.")
    var data: String?

    @Option(name: .long, help: "The address to listen on.")
    var host: String?

    @Option(name: .long, help: "The CQL port; 0 lets the system choose.")
    var cqlPort: Int?

    @Option(name: .long, help: "The port on which a driver's own port chooses the shard; 0: none.")
    var shardAwarePort: Int?

    @Option(name: .long, help: "The port on which tholos admin is answered; 0: none.")
    var adminPort: Int?

    @Option(name: .long, help: "The number of shards.")
    var shards: Int?

    @Option(name: .long, help: "Nodes to ask for the cluster, separated by commas; the first names itself.")
    var seeds: String?

    @Option(name: .long, help: "The address where other nodes reach this one.")
    var listen: String?

    @Option(name: .long, help: "A configuration file; conf/tholos.yaml lists every setting.")
    var config: String?

    package init() {}

    package func run() async throws {
        let settings = try loadConfiguration()
        let begin = DispatchTime.now()
        let server: NodeServer
        do {
            server = try await NodeServer.start(
                settings,
                processorCount: ProcessInfo.processInfo.activeProcessorCount,
                notice: { ServeCommand.line($0) }
            )
        } catch {
            throw Failure(description: "the node can't start: \(error)")
        }
        let milliseconds = (DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1_000_000
        report(server, settings, milliseconds)
        let signal = await Signals.first(of: [SIGTERM, SIGINT])
        line("Stopping (\(signal == SIGTERM ? "SIGTERM" : "SIGINT")): flushing memtables")
        do {
            try await server.stop()
        } catch {
            throw Failure(description: "stopped, but not everything was flushed: \(error)")
        }
        line("Stopped")
    }

    private func loadConfiguration() throws -> Configuration {
        var settings = Configuration()
        if let config {
            guard let bytes = FileManager.default.contents(atPath: config) else {
                throw ValidationError("cannot read the configuration file \(config)")
            }
            settings = try Configuration(
                yaml: String(decoding: bytes, as: UTF8.self),
                file: config
            )
        }
        let flags: [(name: String, flag: String, value: String?)] = [
            ("data_directory", "--data", data), ("rpc_address", "--host", host),
            ("native_transport_port", "--cql-port", cqlPort.map { String($0) }),
            (
                "native_transport_port_shard_aware", "--shard-aware-port",
                shardAwarePort.map { String($0) }
            ),
            ("admin_port", "--admin-port", adminPort.map { String($0) }),
            ("num_shards", "--shards", shards.map { String($0) }),
            ("seeds", "--seeds", seeds), ("listen_address", "--listen", listen),
        ]
        for (name, flag, value) in flags {
            if let value { try settings.set(name, to: value, origin: .option(flag)) }
        }
        return settings
    }

    private func report(
        _ server: NodeServer,
        _ settings: Configuration,
        _ milliseconds: UInt64
    ) {
        let recovery = server.node.recovery
        if recovery.replayedRecords > 0 {
            line(
                "Replayed \(recovery.replayedRecords) writes (\(recovery.replayedBytes) bytes) from the"
                    + " commit log"
            )
        }
        server.node.quarantine.onDamage { damage in
            ServeCommand.line("DAMAGED: \(damage.error)")
        }
        for tail in recovery.tornTails { line("Commit log: \(tail)") }
        if !recovery.removedFiles.isEmpty {
            line("Removed \(recovery.removedFiles.count) files of interrupted flushes or compactions")
        }
        line(
            "CQL on \(settings.rpcAddress):\(server.cqlPort) (protocol v4, v5;"
                + " \(server.node.shards.count) shards, data in \(settings.dataDirectory))"
        )
        if let port = server.shardAwarePort {
            line("CQL, shard-aware, on \(settings.rpcAddress):\(port)")
        }
        if let port = server.adminPort { line("tholos admin on \(settings.adminHost):\(port)") }
        server.node.tasks.onNotice { line($0) }
        line("Ready in \(milliseconds) ms")
    }

    private func line(_ text: String) { ServeCommand.line(text) }

    /// Writes a line at once, so that whoever waits for it sees it. A node goes on when nobody reads any more.
    private static func line(_ text: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}

/// Waits for signals.
private enum Signals {
    /// The first signal of `numbers` that arrives. They no longer end the process by themselves.
    static func first(of numbers: [Int32]) async -> Int32 {
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        let queue = DispatchQueue(label: "signals")
        var sources: [any DispatchSourceSignal] = []
        for number in numbers {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            sources.append(source)
        }
        defer { for source in sources { source.cancel() } }
        for await number in stream { return number }
        return SIGTERM
    }
}
