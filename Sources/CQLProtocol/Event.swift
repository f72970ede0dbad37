// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// What a client can register for.
package enum EventType: String, Sendable, CaseIterable {
    case topologyChange = "TOPOLOGY_CHANGE"
    case statusChange = "STATUS_CHANGE"
    case schemaChange = "SCHEMA_CHANGE"
}

/// Something that a server tells without being asked (native_protocol_v5.spec, section 4.2.6).
package enum Event: Hashable, Sendable {
    /// How the set of nodes changed.
    package enum Topology: String, Sendable, CaseIterable {
        case added = "NEW_NODE"
        case removed = "REMOVED_NODE"
        case moved = "MOVED_NODE"
    }

    /// How a node's state changed.
    package enum Status: String, Sendable, CaseIterable {
        case up = "UP"
        case down = "DOWN"
    }

    case topologyChange(Topology, Endpoint)
    case statusChange(Status, Endpoint)
    case schemaChange(SchemaNotice)

    /// What a client registers for to receive it.
    package var type: EventType {
        switch self {
        case .topologyChange: .topologyChange
        case .statusChange: .statusChange
        case .schemaChange: .schemaChange
        }
    }

    func append(to writer: inout ByteWriter) {
        writer.appendString(type.rawValue)
        switch self {
        case .topologyChange(let change, let endpoint):
            writer.appendString(change.rawValue)
            writer.appendEndpoint(endpoint)
        case .statusChange(let change, let endpoint):
            writer.appendString(change.rawValue)
            writer.appendEndpoint(endpoint)
        case .schemaChange(let change):
            change.append(to: &writer)
        }
    }

    init(_ reader: inout BodyReader) throws(ProtocolError) {
        let name = try reader.string("an event's type")
        guard let type = EventType(rawValue: name) else {
            throw ProtocolError("Unknown event type '\(name)'")
        }
        switch type {
        case .topologyChange:
            let name = try reader.string("a topology change")
            guard let change = Topology(rawValue: name) else {
                throw ProtocolError("Unknown topology change '\(name)'")
            }
            self = .topologyChange(change, try reader.endpoint("a node's address"))
        case .statusChange:
            let name = try reader.string("a status change")
            guard let change = Status(rawValue: name) else {
                throw ProtocolError("Unknown status change '\(name)'")
            }
            self = .statusChange(change, try reader.endpoint("a node's address"))
        case .schemaChange:
            self = .schemaChange(try SchemaNotice(&reader))
        }
    }
}

/// What a DDL statement changed.
package struct SchemaNotice: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case created = "CREATED"
        case updated = "UPDATED"
        case dropped = "DROPPED"
    }

    /// What it happened to. An index is reported as its table, a view as a table.
    package enum Target: Hashable, Sendable {
        case keyspace
        case table(String)
        case type(String)
        /// The name and the CQL types of the arguments.
        case function(String, [String])
        /// The name and the CQL types of the arguments.
        case aggregate(String, [String])
    }

    package var kind: Kind
    package var keyspace: String
    package var target: Target

    package init(_ kind: Kind, keyspace: String, target: Target) {
        self.kind = kind
        self.keyspace = keyspace
        self.target = target
    }

    func append(to writer: inout ByteWriter) {
        writer.appendString(kind.rawValue)
        switch target {
        case .keyspace:
            writer.appendString("KEYSPACE")
            writer.appendString(keyspace)
        case .table(let name):
            appendNamed("TABLE", name, to: &writer)
        case .type(let name):
            appendNamed("TYPE", name, to: &writer)
        case .function(let name, let arguments):
            appendNamed("FUNCTION", name, to: &writer)
            writer.appendStringList(arguments)
        case .aggregate(let name, let arguments):
            appendNamed("AGGREGATE", name, to: &writer)
            writer.appendStringList(arguments)
        }
    }

    private func appendNamed(_ target: String, _ name: String, to writer: inout ByteWriter) {
        writer.appendString(target)
        writer.appendString(keyspace)
        writer.appendString(name)
    }

    init(_ reader: inout BodyReader) throws(ProtocolError) {
        let change = try reader.string("a schema change")
        guard let kind = Kind(rawValue: change) else {
            throw ProtocolError("Unknown schema change '\(change)'")
        }
        let target = try reader.string("a schema change's target")
        self.init(kind, keyspace: try reader.string("a keyspace's name"), target: .keyspace)
        switch target {
        case "KEYSPACE":
            break
        case "TABLE":
            self.target = .table(try reader.string("a table's name"))
        case "TYPE":
            self.target = .type(try reader.string("a type's name"))
        case "FUNCTION":
            let name = try reader.string("a function's name")
            self.target = .function(name, try reader.stringList("a function's arguments"))
        case "AGGREGATE":
            let name = try reader.string("an aggregate's name")
            self.target = .aggregate(name, try reader.stringList("an aggregate's arguments"))
        default:
            throw ProtocolError("Unknown target '\(target)' of a schema change")
        }
    }
}
