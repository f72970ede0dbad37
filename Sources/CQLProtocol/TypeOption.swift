// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// The deepest nesting of types that is read from a peer.
private let typeDepthMax = 64

extension CQLType {
    /// The protocol's id of the type (native_protocol_v5.spec, section 4.2.5.2).
    package var protocolID: UInt16 {
        switch self {
        case .ascii: 0x0001
        case .bigint: 0x0002
        case .blob: 0x0003
        case .boolean: 0x0004
        case .counter: 0x0005
        case .decimal: 0x0006
        case .double: 0x0007
        case .float: 0x0008
        case .int: 0x0009
        case .timestamp: 0x000B
        case .uuid: 0x000C
        case .text: 0x000D
        case .varint: 0x000E
        case .timeuuid: 0x000F
        case .inet: 0x0010
        case .date: 0x0011
        case .time: 0x0012
        case .smallint: 0x0013
        case .tinyint: 0x0014
        case .duration: 0x0015
        case .list: 0x0020
        case .map: 0x0021
        case .set: 0x0022
        case .tuple: 0x0031
        }
    }

    private static let scalarsByID: [UInt16: CQLType] = {
        var map: [UInt16: CQLType] = [0x000A: .text]
        for type in CQLType.scalars.values { map[type.protocolID] = type }
        return map
    }()

    /// Appends the type as an [option].
    func appendOption(to writer: inout ByteWriter) {
        writer.appendBigEndian(protocolID)
        switch self {
        case .list(let element, _), .set(let element, _):
            element.appendOption(to: &writer)
        case .map(let key, let value, _):
            key.appendOption(to: &writer)
            value.appendOption(to: &writer)
        case .tuple(let elements):
            writer.appendBigEndian(UInt16(truncatingIfNeeded: elements.count))
            for element in elements { element.appendOption(to: &writer) }
        default:
            break
        }
    }

    /// Reads an [option]. The wire does not say what is frozen: an outer collection is read as not
    /// frozen, an inner one as frozen. A user-defined type is read as the tuple it is serialized
    /// as, a custom type as a blob.
    static func readOption(
        _ reader: inout BodyReader,
        depth: Int = 0
    ) throws(ProtocolError) -> CQLType {
        guard depth < typeDepthMax else {
            throw ProtocolError("a column's type is nested deeper than \(typeDepthMax) levels")
        }
        let id = try reader.short("a type's id")
        if let scalar = scalarsByID[id] { return scalar }
        let frozen = depth > 0
        switch id {
        case 0x0000:
            _ = try reader.string("a custom type's name")
            return .blob
        case 0x0020:
            return .list(try readOption(&reader, depth: depth + 1), frozen: frozen)
        case 0x0021:
            let key = try readOption(&reader, depth: depth + 1)
            return .map(key, try readOption(&reader, depth: depth + 1), frozen: frozen)
        case 0x0022:
            return .set(try readOption(&reader, depth: depth + 1), frozen: frozen)
        case 0x0030:
            _ = try reader.string("a user-defined type's keyspace")
            _ = try reader.string("a user-defined type's name")
            var fields: [CQLType] = []
            for _ in 0..<(try reader.short("a user-defined type's number of fields")) {
                _ = try reader.string("a field's name")
                fields.append(try readOption(&reader, depth: depth + 1))
            }
            return .tuple(fields)
        case 0x0031:
            var elements: [CQLType] = []
            for _ in 0..<(try reader.short("a tuple's number of elements")) {
                elements.append(try readOption(&reader, depth: depth + 1))
            }
            return .tuple(elements)
        default:
            throw ProtocolError("Unknown type id 0x\(String(id, radix: 16))")
        }
    }
}
