// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

/// A keyspace's `replication`, checked and in the form that is stored: the class with its full
/// name, and for NetworkTopologyStrategy a factor for each data center.
struct Replication {
    static let package = "org.apache.cassandra.locator."
    static let factorName = "replication_factor"

    /// What is stored, `class` included.
    let options: [String: String]
    /// Sentences for the client.
    let warnings: [String]

    /// - Parameter previous: what was stored until now; empty for a new keyspace.
    init(
        _ given: [String: String],
        previous: [String: String],
        keyspace: String,
        nodeCounts: [String: Int]
    ) throws(CQLError) {
        var options = given
        var previous = previous
        previous["class"] = nil
        let name = options.removeValue(forKey: "class") ?? ""
        let fullName = name.contains(".") ? name : Self.package + name
        switch fullName {
        case Self.package + "SimpleStrategy":
            try Self.completeSimple(&options, previous, keyspace)
        case Self.package + "NetworkTopologyStrategy":
            try Self.completeTopology(&options, previous, keyspace, nodeCounts)
        case Self.package + "LocalStrategy":
            throw .invalid(
                "Unable to use given strategy class: LocalStrategy is reserved for internal use."
            )
        default:
            throw .configuration("Unable to find replication strategy class '\(fullName)'")
        }
        warnings = try Self.warnings(options, keyspace, nodeCounts)
        options["class"] = fullName
        self.options = options
    }

    /// All replicas that stored options ask for.
    static func factorSum(_ options: [String: String]) -> Int {
        options.reduce(0) { $0 + ($1.key == "class" ? 0 : Int($1.value) ?? 0) }
    }

    private static func completeSimple(
        _ options: inout [String: String],
        _ previous: [String: String],
        _ keyspace: String
    ) throws(CQLError) {
        for key in options.keys.sorted() where key != factorName {
            throw .configuration(
                "Unrecognized strategy option {\(key)} passed to SimpleStrategy for keyspace"
                    + " \(keyspace)"
            )
        }
        if options[factorName] == nil { options[factorName] = previous[factorName] ?? "1" }
    }

    private static func completeTopology(
        _ options: inout [String: String],
        _ previous: [String: String],
        _ keyspace: String,
        _ nodeCounts: [String: Int]
    ) throws(CQLError) {
        if options.isEmpty { options[factorName] = previous[factorName] ?? "1" }
        if let factor = options.removeValue(forKey: factorName) {
            _ = try parse(factor)
            // Data centers that have a factor already keep it.
            for (key, value) in previous where key != factorName && options[key] == nil {
                options[key] = value
            }
            for dataCenter in nodeCounts.keys where options[dataCenter] == nil {
                options[dataCenter] = factor
            }
        }
        for (key, value) in options {
            if try parse(value) == 0 { options[key] = nil }
        }
        guard !options.isEmpty else {
            throw .configuration("Configuration for at least one datacenter must be present")
        }
        for key in options.keys.sorted() where nodeCounts[key] == nil {
            let known = nodeCounts.keys.sorted().joined(separator: ", ")
            throw .configuration(
                "Unrecognized strategy option {\(key)} passed to NetworkTopologyStrategy for"
                    + " keyspace \(keyspace): the data centers are [\(known)]"
            )
        }
    }

    private static func parse(_ text: String) throws(CQLError) -> Int {
        if text.contains("/") {
            throw .configuration(
                "Transient replication isn't supported by this version of Tholos yet:"
                    + " the replication factor '\(text)' must be a number"
            )
        }
        guard let factor = Int32(text) else {
            throw .configuration("Replication factor must be a number, found '\(text)'")
        }
        guard factor >= 0 else {
            throw .configuration("Replication factor must be non-negative, found \(factor)")
        }
        return Int(factor)
    }

    private static func warnings(
        _ options: [String: String],
        _ keyspace: String,
        _ nodeCounts: [String: Int]
    ) throws(CQLError) -> [String] {
        var warnings: [String] = []
        for (key, value) in options.sorted(by: { $0.key < $1.key }) {
            let factor = try parse(value)
            let isTotal = key == factorName
            let count = isTotal ? nodeCounts.values.reduce(0, +) : nodeCounts[key] ?? 0
            guard factor > count else { continue }
            warnings.append(
                "Your replication factor \(factor) for keyspace \(keyspace) is higher than the"
                    + " number of nodes \(count)" + (isTotal ? "" : " in the datacenter \(key)")
            )
        }
        return warnings
    }
}
