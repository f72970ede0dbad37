// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// The elements of a serialized collection (native_protocol_v5.spec, sections 6.11 to 6.13).
struct CollectionElements {
    /// One element of a list or set, or one entry of a map.
    struct Element {
        /// The order-preserving encoding of a set's element or a map's key; nothing in a list.
        let order: [UInt8]
        /// What identifies it: a set's element, a map's key.
        let key: ByteView
        /// A list's element or a map's value; nothing in a set.
        let value: ByteView
    }

    /// The elements as they were given.
    private let elements: [Element]
    private let isList: Bool
    private let isMap: Bool

    /// Reads a collection; nil when the bytes are none of the type.
    ///
    /// Views point into `view`.
    init?(_ view: ByteView, type: CQLType) {
        var reader = ByteReader(view)
        var found: [Element] = []
        do throws(MalformedBytes) {
            let count: Int32 = try reader.readBigEndian()
            guard count >= 0, Int(count) <= view.count else { return nil }
            found.reserveCapacity(Int(count))
            for _ in 0..<count {
                let first = try CollectionElements.readElement(&reader)
                switch type {
                case .list: found.append(Element(order: [], key: .empty, value: first))
                case .set(let element, _):
                    let order = CollectionElements.order(first, element)
                    found.append(Element(order: order, key: first, value: .empty))
                case .map(let key, _, _):
                    let order = CollectionElements.order(first, key)
                    let value = try CollectionElements.readElement(&reader)
                    found.append(Element(order: order, key: first, value: value))
                default: return nil
                }
            }
        } catch {
            return nil
        }
        guard reader.isAtEnd else { return nil }
        elements = found
        if case .list = type { isList = true } else { isList = false }
        if case .map = type { isMap = true } else { isMap = false }
    }

    private static func readElement(_ reader: inout ByteReader) throws(MalformedBytes) -> ByteView {
        let count: Int32 = try reader.readBigEndian()
        return try reader.readView(Int(count))
    }

    private static func order(_ view: ByteView, _ type: CQLType) -> [UInt8] {
        var writer = ByteWriter()
        if !view.isEmpty {
            OrderedEncoding.append(view, type: type, descending: false, to: &writer)
        }
        return writer.array
    }

    /// The elements in order, of equal ones only the last; a list's as they were given.
    var sorted: [Element] {
        guard !isList else { return elements }
        var result: [Element] = []
        result.reserveCapacity(elements.count)
        let ordered = elements.enumerated().sorted { a, b in
            if a.element.order == b.element.order { return a.offset < b.offset }
            return a.element.order.lexicographicallyPrecedes(b.element.order)
        }
        for (_, element) in ordered {
            if result.last?.order == element.order { result.removeLast() }
            result.append(element)
        }
        return result
    }

    /// Appends the collection with its elements sorted and distinct, as a frozen value has to be.
    func append(to data: inout ByteWriter) {
        let sorted = sorted
        data.appendBigEndian(Int32(truncatingIfNeeded: sorted.count))
        for element in sorted {
            let parts =
                isList ? [element.value] : isMap ? [element.key, element.value] : [element.key]
            for part in parts {
                data.appendBigEndian(Int32(truncatingIfNeeded: part.count))
                data.append(part)
            }
        }
    }
}
