// SPDX-License-Identifier: Apache-2.0

package import Bytes

extension CQLType {
    /// The serialized value as a person reads it, and as `parse(text:)` reads it back.
    ///
    /// Text is bare and a timestamp as cqlsh shows it; inside of collections they are literals. No
    /// bytes are an empty text.
    package func display(_ value: ByteView) -> String {
        switch self {
        case .text, .ascii: String(cql: value)
        case .list, .set, .map, .tuple: composedText(value, isLiteral: false)
        default: value.isEmpty && self != .blob ? "" : scalarText(value, isLiteral: false)
        }
    }

    /// The serialized value as a CQL literal.
    ///
    /// Text, dates, times and addresses are in quotes, a timestamp is as in ISO 8601. A value of no
    /// bytes that no literal can write is `null`.
    package func literal(_ value: ByteView) -> String {
        switch self {
        case .text, .ascii: CQLType.quoted(String(cql: value))
        case .list, .set, .map, .tuple: composedText(value, isLiteral: true)
        case .timestamp, .date, .time, .inet:
            value.isEmpty ? "null" : "'" + scalarText(value, isLiteral: true) + "'"
        default: value.isEmpty && self != .blob ? "null" : scalarText(value, isLiteral: true)
        }
    }

    /// A text in single quotes, with those inside of it doubled.
    package static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "'")]
        for byte in text.utf8 {
            if byte == UInt8(ascii: "'") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "'"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Bytes as `0x` and hexadecimal digits.
    package static func hex(_ view: ByteView) -> String {
        var text: [UInt8] = Array("0x".utf8)
        text.reserveCapacity(2 + 2 * view.count)
        for byte in view.buffer {
            for nibble in [byte >> 4, byte & 15] {
                text.append(nibble + (nibble < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A value that isn't text nor made of others, without quotes; of a wrong length, its bytes.
    private func scalarText(_ value: ByteView, isLiteral: Bool) -> String {
        let text: String? =
            switch self {
            case .int: Int32(cql: value).map { String($0) }
            case .bigint, .counter: Int64(cql: value).map { String($0) }
            case .smallint: Int16(cql: value).map { String($0) }
            case .tinyint: Int8(cql: value).map { String($0) }
            case .boolean: Bool(cql: value).map { $0 ? "true" : "false" }
            case .double: Double(cql: value).map(NumberText.text)
            case .float: Float(cql: value).map(NumberText.text)
            case .uuid, .timeuuid: UUID(value)?.description
            case .timestamp:
                Int64(cql: value).map {
                    isLiteral
                        ? TimestampText.iso(milliseconds: $0)
                        : TimestampText.display(milliseconds: $0)
                }
            case .date:
                UInt32(cql: value).map {
                    CivilDate(daysSinceEpoch: Int64($0) - 0x8000_0000).description
                }
            case .time: Int64(cql: value).map(TimeOfDay.text)
            case .inet: InetText.text(value)
            case .varint: BigInteger(twosComplement: value).description
            case .decimal: CQLDecimal(value)?.description
            case .duration: CQLDuration(value)?.description
            case .blob, .text, .ascii, .list, .set, .map, .tuple: nil
            }
        return text ?? CQLType.hex(value)
    }

    // MARK: - Collections and tuples

    private func composedText(_ value: ByteView, isLiteral: Bool) -> String {
        switch self {
        case .list(let element, _):
            return CQLType.elementsText(value, [element], "[]", isLiteral)
        case .set(let element, _):
            return CQLType.elementsText(value, [element], "{}", isLiteral)
        case .map(let key, let mapped, _):
            return CQLType.elementsText(value, [key, mapped], "{}", isLiteral)
        case .tuple(let types): return CQLType.fieldsText(value, types, isLiteral)
        default: return scalarText(value, isLiteral: isLiteral)
        }
    }

    private static func elementsText(
        _ value: ByteView,
        _ types: [CQLType],
        _ brackets: String,
        _ isLiteral: Bool
    ) -> String {
        let isMap = types.count == 2
        let reader =
            isMap ? try? ElementReader(map: value) : try? ElementReader(collection: value)
        guard var reader else { return brackets }
        var text = String(brackets.prefix(1))
        var index = 0
        while !reader.isAtEnd, let element = try? reader.next() as ByteView?? {
            if index > 0 { text += isMap && index % 2 == 1 ? ": " : ", " }
            text += types[index % types.count].elementText(element, isLiteral)
            index += 1
        }
        return text + brackets.suffix(1)
    }

    private static func fieldsText(
        _ value: ByteView,
        _ types: [CQLType],
        _ isLiteral: Bool
    ) -> String {
        var reader = ElementReader(tuple: value)
        let fields = types.map { type in
            let field = reader.isAtEnd ? nil : (try? reader.next()) ?? nil
            return type.elementText(field, isLiteral)
        }
        return "(" + fields.joined(separator: ", ") + ")"
    }

    private func elementText(_ element: ByteView?, _ isLiteral: Bool) -> String {
        guard let element else { return "null" }
        if !isLiteral {
            if self == .timestamp, !element.isEmpty { return "'" + display(element) + "'" }
            if isCollection || isTuple { return display(element) }
        }
        return literal(element)
    }

    /// Whether this is a tuple.
    package var isTuple: Bool {
        if case .tuple = self { true } else { false }
    }
}
