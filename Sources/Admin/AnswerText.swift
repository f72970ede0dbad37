// SPDX-License-Identifier: Apache-2.0

import AdminProtocol

/// Answers as nodetool prints them.
enum AnswerText {
    // MARK: The cluster

    static func status(_ answer: ClusterStatus) -> String {
        var text = ""
        for center in answer.dataCenters {
            let heading = "Datacenter: \(center.name)"
            text += heading + "\n" + String(repeating: "=", count: heading.count) + "\n"
            text += "Status=Up/Down\n|/ State=Normal/Leaving/Joining/Moving\n"
            var table = TextTable([
                "--", "Address", "Load", "Tokens", "Owns (effective)", "Host ID", "Rack",
            ])
            for node in center.nodes {
                table.add([
                    (node.isUp ? "U" : "D") + node.state.prefix(1).uppercased(), node.address,
                    size(node.load), String(node.tokens.count), percent(node.owns, decimals: 1),
                    node.hostId, node.rack,
                ])
            }
            text += table.text(gap: 2) + "\n"
        }
        return text
    }

    static func ring(_ answer: ClusterStatus) -> String {
        var text = ""
        for center in answer.dataCenters {
            text += "\nDatacenter: \(center.name)\n==========\n"
            var table = TextTable(["Address", "Rack", "Status", "State", "Load", "Owns", "Token"])
            var rows: [(token: Int64, cells: [String])] = []
            for node in center.nodes {
                let state = node.state.prefix(1).uppercased() + node.state.dropFirst()
                let cells = [
                    node.address, node.rack, node.isUp ? "Up" : "Down", state, size(node.load),
                    percent(node.owns, decimals: 2),
                ]
                rows += node.tokens.map { (Int64($0) ?? 0, cells + [$0]) }
            }
            rows.sort { $0.token < $1.token }
            // The ring closes: what comes before the first token is the last one's.
            if let last = rows.last { table.add(["", "", "", "", "", "", last.cells[6]]) }
            for row in rows { table.add(row.cells) }
            text += table.text(gap: 2)
        }
        return text + "\n"
    }

    static func describecluster(_ answer: ClusterFacts) -> String {
        var lines = ["Cluster Information:", "\tName: \(answer.name)"]
        lines.append("\tPartitioner: \(answer.partitioner)")
        lines.append("\tSchema versions:")
        lines += answer.schemaVersions.map { "\t\t\($0.version): [\($0.nodes.joined(separator: ", "))]\n" }
        lines += [
            "Stats for all nodes:", "\tLive: \(answer.live)", "\tJoining: \(answer.joining)",
            "\tMoving: \(answer.moving)", "\tLeaving: \(answer.leaving)",
            "\tUnreachable: \(answer.unreachable)", "", "Data Centers:",
        ]
        lines += answer.dataCenters.map { "\t\($0.name) #Nodes: \($0.nodes) #Down: \($0.down)" }
        lines += ["", "Database versions:"]
        lines += answer.databaseVersions.map { "\t\($0.version): [\($0.nodes.joined(separator: ", "))]" }
        lines += ["", "Keyspaces:"]
        for keyspace in answer.keyspaces {
            let options = keyspace.options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.append(
                "\t\(keyspace.name) -> Replication class: \(keyspace.replicationClass)"
                    + " {\(options.joined(separator: ", "))}"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: The node

    static func info(_ answer: NodeFacts, withTokens: Bool) -> String {
        var table = TextTable()
        func add(_ name: String, _ value: String) { table.add([name, ": \(value)"]) }
        add("ID", answer.id)
        add("Native Transport active", String(answer.isNativeTransportActive))
        add("Native clients", String(answer.clients))
        add("Load", size(answer.load))
        add("Generation No", String(answer.generation))
        add("Uptime (seconds)", String(answer.uptime))
        add("Memtables", size(answer.memtableBytes))
        add("Data Center", answer.dataCenter)
        add("Rack", answer.rack)
        add("Shards", String(answer.shards))
        add(
            "Block Cache",
            "entries \(answer.blockCacheEntries), size \(size(answer.blockCacheSize)),"
                + " capacity \(size(answer.blockCacheCapacity))"
        )
        add(
            "Writes",
            answer.isDrained
                ? "refused, the node was drained"
                : answer.writeNotices.isEmpty ? "taken" : answer.writeNotices.joined(separator: "; ")
        )
        add("Damaged blocks", String(answer.damagedBlocks))
        if withTokens {
            for token in answer.tokens { add("Token", token) }
        } else {
            add("Token", "(invoke with -T/--tokens to see all \(answer.tokens.count) tokens)")
        }
        return table.text(gap: 1)
    }

    static func version(_ answer: VersionFacts) -> String {
        """
        ReleaseVersion: \(answer.releaseVersion)
        Tholos: \(answer.tholosVersion)
        CQL: \(answer.cqlVersion)
        Native protocol: \(answer.nativeProtocolVersion)

        """
    }

    static func drain(_ answer: DrainFacts) -> String {
        "Drained in \(answer.milliseconds) ms: no writes are taken until the node is started again\n"
    }

    // MARK: Parts of lines

    /// Bytes as nodetool writes them: `70.21 KiB`, `512 bytes`.
    static func size(_ bytes: Int) -> String {
        var (value, unit) = (Double(bytes), "bytes")
        for next in ["KiB", "MiB", "GiB", "TiB"] {
            guard value >= 1024 else { break }
            (value, unit) = (value / 1024, next)
        }
        return "\(decimal(value, places: 2, trims: true)) \(unit)"
    }

    static func percent(_ part: Double, decimals: Int) -> String {
        decimal(part * 100, places: decimals) + "%"
    }

    /// A number that isn't negative, rounded to some places.
    static func decimal(_ value: Double, places: Int, trims: Bool = false) -> String {
        let factor = places == 0 ? 1 : places == 1 ? 10 : places == 2 ? 100 : 100_000
        let scaled = Int(min(max(value, 0), 1e12) * Double(factor) + 0.5)
        var digits = String(scaled % factor)
        digits = String(repeating: "0", count: max(0, places - digits.count)) + digits
        if trims { while digits.hasSuffix("0") { digits.removeLast() } }
        let whole = String(scaled / factor)
        return places == 0 || digits.isEmpty ? whole : "\(whole).\(digits)"
    }
}
