// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Turns the bytes of a field into the serialized CQL value of one type.
struct ValueConverter: Sendable {
    /// The types with a fast path, and the rest.
    private enum Path: Sendable {
        case int, bigint, smallint, tinyint, double, float, boolean, text, ascii
        case timestamp, date, uuid
        case collection
        case general
    }

    let type: CQLType
    /// Whether the empty text is a value of the type.
    let isText: Bool
    private let path: Path

    init(_ type: CQLType) {
        self.type = type
        switch type {
        case .int: path = .int
        case .bigint: path = .bigint
        case .smallint: path = .smallint
        case .tinyint: path = .tinyint
        case .double: path = .double
        case .float: path = .float
        case .boolean: path = .boolean
        case .text: path = .text
        case .ascii: path = .ascii
        case .timestamp: path = .timestamp
        case .date: path = .date
        case .uuid: path = .uuid
        case .list, .set, .map: path = .collection
        default: path = .general
        }
        isText = type == .text || type == .ascii
    }

    /// Appends the value, or returns false and may leave bytes behind.
    func convert(_ field: ByteView, kind: FieldKind, into data: inout ByteWriter) -> Bool {
        switch path {
        case .int:
            guard let value = FieldParser.integer(field), let narrow = Int32(exactly: value)
            else { return convertGeneral(field, into: &data) }
            data.appendBigEndian(narrow)
        case .bigint:
            guard let value = FieldParser.integer(field) else {
                return convertGeneral(field, into: &data)
            }
            data.appendBigEndian(value)
        case .smallint:
            guard let value = FieldParser.integer(field), let narrow = Int16(exactly: value)
            else { return convertGeneral(field, into: &data) }
            data.appendBigEndian(narrow)
        case .tinyint:
            guard let value = FieldParser.integer(field), let narrow = Int8(exactly: value)
            else { return convertGeneral(field, into: &data) }
            data.appendBigEndian(narrow)
        case .double:
            guard let value = FieldParser.double(field) ?? FieldParser.double(field.trimmed) else {
                return false
            }
            data.appendBigEndian(value.bitPattern)
        case .float:
            guard let value = FieldParser.double(field) ?? FieldParser.double(field.trimmed) else {
                return false
            }
            let narrow = Float(value)
            guard narrow.isInfinite == value.isInfinite else { return false }
            data.appendBigEndian(narrow.bitPattern)
        case .boolean:
            guard let value = FieldParser.boolean(field) else {
                return convertGeneral(field, into: &data)
            }
            data.append(value ? 1 : 0 as UInt8)
        case .text:
            guard FieldParser.isUTF8(field) else { return false }
            data.append(field)
        case .ascii:
            guard FieldParser.isASCII(field) else { return false }
            data.append(field)
        case .uuid:
            guard let value = FieldParser.uuid(field) else { return false }
            data.appendBigEndian(value.high)
            data.appendBigEndian(value.low)
        case .timestamp, .date: return convertTime(field, into: &data)
        case .collection where kind == .composite: return convertJSON(field, into: &data)
        case .collection, .general: return convertGeneral(field, into: &data)
        }
        return true
    }

    private func convertTime(_ field: ByteView, into data: inout ByteWriter) -> Bool {
        if case .date = path {
            guard let days = TimeParser.date(field) else {
                return convertGeneral(field, into: &data)
            }
            // A date is counted from 2^31 days before 1970 (native_protocol_v5.spec, section 5.8).
            data.appendBigEndian(UInt32(truncatingIfNeeded: days &+ 1 << 31))
        } else {
            guard let moment = TimeParser.timestamp(field) else {
                return convertGeneral(field, into: &data)
            }
            data.appendBigEndian(moment)
        }
        return true
    }

    /// Every other type and spelling, with space around it: as `CQLType` reads a text.
    @inline(never)
    private func convertGeneral(_ field: ByteView, into data: inout ByteWriter) -> Bool {
        do throws(ValueParseError) {
            data.append(try type.parse(utf8: ArraySlice(field.array)))
            return true
        } catch {
            return false
        }
    }

    // MARK: JSON arrays and objects into collections

    /// A JSON array into a list or set, an object into a map.
    @inline(never)
    private func convertJSON(_ field: ByteView, into data: inout ByteWriter) -> Bool {
        if case .list = type { return convertElements(field, into: &data) }
        // A set's elements and a map's entries are sorted and distinct.
        var unsorted = ByteWriter()
        guard convertElements(field, into: &unsorted),
            let elements = CollectionElements(unsorted.view, type: type)
        else { return false }
        elements.append(to: &data)
        // The elements are views of these bytes, which have to live until here.
        return unsorted.count > 0
    }

    private func convertElements(_ field: ByteView, into data: inout ByteWriter) -> Bool {
        var scanner = JSONScanner(field)
        do throws(JSONProblem) {
            switch type {
            case .list(let element, _), .set(let element, _):
                return try convertArray(&scanner, element: ValueConverter(element), into: &data)
            case .map(let key, let value, _):
                return try convertObject(
                    &scanner,
                    key: ValueConverter(key),
                    value: ValueConverter(value),
                    into: &data
                )
            default:
                return false
            }
        } catch {
            return false
        }
    }

    private func convertArray(
        _ scanner: inout JSONScanner,
        element: ValueConverter,
        into data: inout ByteWriter
    ) throws(JSONProblem) -> Bool {
        let start = data.count
        var count: Int32 = 0
        data.appendBigEndian(count)
        try scanner.expect(0x5B)
        if scanner.take(0x5D) { return scanner.isAtEnd() }
        repeat {
            guard try element.convertElement(&scanner, into: &data) else { return false }
            count += 1
        } while scanner.take(UInt8(ascii: ","))
        try scanner.expect(0x5D)
        data.putBigEndian(count, at: start)
        return scanner.isAtEnd()
    }

    private func convertObject(
        _ scanner: inout JSONScanner,
        key: ValueConverter,
        value: ValueConverter,
        into data: inout ByteWriter
    ) throws(JSONProblem) -> Bool {
        let start = data.count
        var count: Int32 = 0
        data.appendBigEndian(count)
        try scanner.expect(0x7B)
        if scanner.take(0x7D) { return scanner.isAtEnd() }
        repeat {
            guard try key.convertElement(&scanner, into: &data) else { return false }
            try scanner.expect(UInt8(ascii: ":"))
            guard try value.convertElement(&scanner, into: &data) else { return false }
            count += 1
        } while scanner.take(UInt8(ascii: ","))
        try scanner.expect(0x7D)
        data.putBigEndian(count, at: start)
        return scanner.isAtEnd()
    }

    /// One element of a collection: its length and its bytes.
    ///
    /// Null is no element.
    private func convertElement(
        _ scanner: inout JSONScanner,
        into data: inout ByteWriter
    ) throws(JSONProblem) -> Bool {
        let start = data.count
        data.appendBigEndian(0 as Int32)
        let done: Bool
        switch scanner.peek() {
        case 0x22:
            var text = ByteWriter()
            try scanner.string(into: &text)
            done = convert(text.view, kind: .text, into: &data)
        case 0x5B, 0x7B:
            done = convert(try scanner.value(), kind: .composite, into: &data)
        default:
            let literal = try scanner.literal()
            done = !literal.isText("null") && convert(literal, kind: .literal, into: &data)
        }
        data.putBigEndian(Int32(truncatingIfNeeded: data.count - start - 4), at: start)
        return done
    }
}
