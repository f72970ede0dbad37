// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension OrderedEncoding {
    /// Appends a value of a type whose encoding is made of parts, ascending.
    static func appendComposed(_ value: ByteView, type: CQLType, to writer: inout ByteWriter) {
        switch type {
        case .varint: appendVarint(value, to: &writer)
        case .decimal: appendDecimal(value, to: &writer)
        case .list(let element, _), .set(let element, _):
            if let elements = try? ElementReader(collection: value) {
                appendElements(elements, types: [element], to: &writer)
            }
            writer.append(endMark)
        case .map(let key, let mapped, _):
            if let elements = try? ElementReader(map: value) {
                appendElements(elements, types: [key, mapped], to: &writer)
            }
            writer.append(endMark)
        case .tuple(let types):
            appendFields(ElementReader(tuple: value), types: types, to: &writer)
            writer.append(endMark)
        default: append(value, type: type, descending: false, to: &writer)
        }
    }

    private static func appendElements(
        _ elements: ElementReader,
        types: [CQLType],
        to writer: inout ByteWriter
    ) {
        var elements = elements
        var index = 0
        var end = writer.count
        while !elements.isAtEnd, let element = try? elements.next() as ByteView?? {
            appendElement(element, type: types[index % types.count], to: &writer)
            index += 1
            if index % types.count == 0 { end = writer.count }
        }
        // Without a key whose value is damaged.
        writer.truncate(to: end)
    }

    /// Appends the fields up to the last that isn't null: tuples that differ only in nulls at the end
    /// are equal.
    private static func appendFields(
        _ fields: ElementReader,
        types: [CQLType],
        to writer: inout ByteWriter
    ) {
        var fields = fields
        var end = writer.count
        for type in types {
            guard !fields.isAtEnd, let field = try? fields.next() as ByteView?? else { break }
            appendElement(field, type: type, to: &writer)
            if field != nil { end = writer.count }
        }
        writer.truncate(to: end)
    }

    private static func appendElement(
        _ element: ByteView?,
        type: CQLType,
        to writer: inout ByteWriter
    ) {
        guard let element else { return writer.append(nullMark) }
        if element.isEmpty, !type.hasEmptyValue { return writer.append(emptyMark) }
        writer.append(elementMark)
        append(element, type: type, descending: false, to: &writer)
    }

    /// Decodes a value of a type whose encoding is made of parts; `mask` is FF if it is descending.
    static func decodeComposed(
        _ type: CQLType,
        mask: UInt8,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        switch type {
        case .varint: try decodeVarint(mask: mask, from: &reader, into: &writer)
        case .decimal: try decodeDecimal(mask: mask, from: &reader, into: &writer)
        case .list(let element, _), .set(let element, _):
            try decodeElements([element], mask: mask, from: &reader, into: &writer)
        case .map(let key, let mapped, _):
            try decodeElements([key, mapped], mask: mask, from: &reader, into: &writer)
        case .tuple(let types):
            var count = 0
            while try decodeElement(
                count < types.count ? types[count] : nil,
                mask: mask,
                from: &reader,
                into: &writer
            ) {
                count += 1
            }
            for _ in count..<types.count { writer.appendBigEndian(Int32(-1)) }
        default: try decode(type, descending: mask != 0, from: &reader, into: &writer)
        }
    }

    private static func decodeElements(
        _ types: [CQLType],
        mask: UInt8,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        let start = writer.count
        writer.appendBigEndian(Int32(0))
        var count = 0
        while try decodeElement(
            types[count % types.count],
            mask: mask,
            from: &reader,
            into: &writer
        ) {
            count += 1
        }
        guard count % types.count == 0 else {
            throw MalformedBytes(offset: reader.offset, expected: "a value for each key of a map")
        }
        writer.putBigEndian(Int32(truncatingIfNeeded: count / types.count), at: start)
    }

    /// Appends an element with its length; false at the end mark.
    ///
    /// With no type, only the end is
    /// expected.
    private static func decodeElement(
        _ type: CQLType?,
        mask: UInt8,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) -> Bool {
        let mark = try reader.readByte() ^ mask
        if mark == endMark { return false }
        guard let type else {
            throw MalformedBytes(offset: reader.offset, expected: "the end of a tuple")
        }
        switch mark {
        case nullMark: writer.appendBigEndian(Int32(-1))
        case emptyMark: writer.appendBigEndian(Int32(0))
        case elementMark:
            let start = writer.count
            writer.appendBigEndian(Int32(0))
            try decode(type, descending: mask != 0, from: &reader, into: &writer)
            writer.putBigEndian(Int32(truncatingIfNeeded: writer.count - start - 4), at: start)
        default: throw MalformedBytes(offset: reader.offset - 1, expected: "an element's mark")
        }
        return true
    }

    /// Moves behind a value of a type whose encoding is made of parts.
    static func skipComposed(
        _ type: CQLType,
        mask: UInt8,
        reader: inout ByteReader
    ) throws(MalformedBytes) {
        switch type {
        case .varint: try skipVarint(mask: mask, reader: &reader)
        case .decimal: try skipDecimal(mask: mask, reader: &reader)
        case .list(let element, _), .set(let element, _):
            try skipElements([element], mask: mask, reader: &reader)
        case .map(let key, let mapped, _):
            try skipElements([key, mapped], mask: mask, reader: &reader)
        case .tuple(let types): try skipElements(types, mask: mask, reader: &reader)
        default: try skip(type, descending: mask != 0, reader: &reader)
        }
    }

    private static func skipElements(
        _ types: [CQLType],
        mask: UInt8,
        reader: inout ByteReader
    ) throws(MalformedBytes) {
        var index = 0
        while true {
            let mark = try reader.readByte() ^ mask
            switch mark {
            case endMark: return
            case nullMark, emptyMark: break
            case elementMark where !types.isEmpty:
                try skip(types[index % types.count], descending: mask != 0, reader: &reader)
            default: throw MalformedBytes(offset: reader.offset - 1, expected: "an element's mark")
            }
            index += 1
        }
    }
}
