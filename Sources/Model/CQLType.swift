// SPDX-License-Identifier: Apache-2.0

/// A CQL data type.
package indirect enum CQLType: Hashable, Sendable {
    case ascii, bigint, blob, boolean, counter, date, decimal, double, duration, float, inet, int
    case smallint, text, time, timestamp, timeuuid, tinyint, uuid, varint
    /// A list; frozen, it is one value instead of a cell an element.
    case list(CQLType, frozen: Bool)
    /// A set of distinct values in the element type's order.
    case set(CQLType, frozen: Bool)
    /// A map with its keys in the key type's order.
    case map(CQLType, CQLType, frozen: Bool)
    /// A tuple: always frozen.
    case tuple([CQLType])

    /// Whether a column of this type is stored as several cells: one an element of a collection, or one for each node
    /// that has counted.
    package var isMultiCell: Bool {
        switch self {
        case .counter: true
        case .list(_, let frozen), .set(_, let frozen), .map(_, _, let frozen): !frozen
        default: false
        }
    }

    /// Whether this is a list, set or map.
    package var isCollection: Bool {
        switch self {
        case .list, .set, .map: true
        default: false
        }
    }

    /// The same type with it and all that it contains frozen.
    package var frozen: CQLType {
        switch self {
        case .list(let element, _): .list(element.frozen, frozen: true)
        case .set(let element, _): .set(element.frozen, frozen: true)
        case .map(let key, let value, _): .map(key.frozen, value.frozen, frozen: true)
        case .tuple(let elements): .tuple(elements.map(\.frozen))
        default: self
        }
    }
}

extension CQLType: CustomStringConvertible {
    /// The type as CQL writes it, also in `system_schema.columns.type`.
    package var description: String {
        switch self {
        case .ascii: "ascii"
        case .bigint: "bigint"
        case .blob: "blob"
        case .boolean: "boolean"
        case .counter: "counter"
        case .date: "date"
        case .decimal: "decimal"
        case .double: "double"
        case .duration: "duration"
        case .float: "float"
        case .inet: "inet"
        case .int: "int"
        case .smallint: "smallint"
        case .text: "text"
        case .time: "time"
        case .timestamp: "timestamp"
        case .timeuuid: "timeuuid"
        case .tinyint: "tinyint"
        case .uuid: "uuid"
        case .varint: "varint"
        case .list(let element, let frozen): CQLType.named("list<\(element)>", frozen)
        case .set(let element, let frozen): CQLType.named("set<\(element)>", frozen)
        case .map(let key, let value, let frozen): CQLType.named("map<\(key), \(value)>", frozen)
        case .tuple(let elements):
            "frozen<tuple<" + elements.map(\.description).joined(separator: ", ") + ">>"
        }
    }

    private static func named(_ name: String, _ frozen: Bool) -> String {
        frozen ? "frozen<\(name)>" : name
    }

    /// The scalar types by their CQL names; `varchar` is another name of `text`.
    package static let scalars: [String: CQLType] = [
        "ascii": .ascii, "bigint": .bigint, "blob": .blob, "boolean": .boolean,
        "counter": .counter, "date": .date, "decimal": .decimal, "double": .double,
        "duration": .duration, "float": .float, "inet": .inet, "int": .int,
        "smallint": .smallint, "text": .text, "time": .time, "timestamp": .timestamp,
        "timeuuid": .timeuuid, "tinyint": .tinyint, "uuid": .uuid, "varchar": .text,
        "varint": .varint,
    ]
}
