// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// One value for a bind marker.
package enum BoundValue {
    /// Serialized bytes, which may be none.
    case value(ByteView)
    case null
    /// The marker is left out: the cell keeps what it has.
    case unset
}

/// The values for a statement's bind markers, in their serialized form: a part of one owned array,
/// which is usually the body of the request that brought them.
package struct BoundValues: Sendable {
    private let storage: [UInt8]
    private let start: Int
    private let end: Int
    /// The number of values.
    package let count: Int
    /// Whether each value has the name of its marker before it.
    package let isNamed: Bool

    /// No values.
    package static let none = BoundValues(validated: [], 0..<0, count: 0, isNamed: false)

    /// Values that were checked: `count` of them in `range` of `storage`.
    init(validated storage: [UInt8], _ range: Range<Int>, count: Int, isNamed: Bool) {
        self.storage = storage
        self.start = range.lowerBound
        self.end = range.upperBound
        self.count = count
        self.isNamed = isNamed
    }

    /// Whether there are none.
    package var isEmpty: Bool { count == 0 }

    /// The length of the serialized values, in bytes.
    package var byteCount: Int { end - start }

    /// Calls `body` with a cursor over the values; views it gives are valid during the call.
    package func withCursor<R, E: Error>(
        _ body: (inout Cursor) throws(E) -> R
    ) throws(E) -> R {
        try storage.withView { (view) throws(E) -> R in
            var cursor = Cursor(view[start..<end], count: count, isNamed: isNamed)
            return try body(&cursor)
        }
    }

    /// Calls `body` with each value, its position and its name, which is nil for positional values.
    package func forEach<E: Error>(
        _ body: (Int, ByteView?, BoundValue) throws(E) -> Void
    ) throws(E) {
        try withCursor { (cursor) throws(E) in
            var index = 0
            while let (name, value) = cursor.next() {
                try body(index, name, value)
                index += 1
            }
        }
    }

    /// A copy of the values as arrays, for tests and messages.
    package var arrays: [(name: String?, value: [UInt8]?, isUnset: Bool)] {
        var list: [(name: String?, value: [UInt8]?, isUnset: Bool)] = []
        forEach { _, name, value in
            let text = name.map { String(decoding: $0.buffer, as: UTF8.self) }
            switch value {
            case .value(let view): list.append((text, view.array, false))
            case .null: list.append((text, nil, false))
            case .unset: list.append((text, nil, true))
            }
        }
        return list
    }

    /// Appends the values as a request carries them, without their number.
    func append(to writer: inout ByteWriter) {
        storage.withView { writer.append($0[start..<end]) }
    }

    /// Walks over values that are known to be well-formed.
    package struct Cursor {
        private let view: ByteView
        private var offset = 0
        private var left: Int
        private let isNamed: Bool

        init(_ view: ByteView, count: Int, isNamed: Bool) {
            self.view = view
            self.left = count
            self.isNamed = isNamed
        }

        /// The next value and, if they have names, its name; nil after the last.
        package mutating func next() -> (name: ByteView?, value: BoundValue)? {
            guard left > 0 else { return nil }
            left -= 1
            var name: ByteView?
            if isNamed {
                let length = Int(view.loadBigEndian(offset, as: UInt16.self))
                name = view[(offset + 2)..<(offset + 2 + length)]
                offset += 2 + length
            }
            let length = Int(view.loadBigEndian(offset, as: Int32.self))
            offset += 4
            guard length >= 0 else { return (name, length == -1 ? .null : .unset) }
            let value = view[offset..<(offset + length)]
            offset += length
            return (name, .value(value))
        }
    }
}

/// Builds `BoundValues` for a client.
package struct BoundValuesBuilder: ~Copyable {
    private var writer: ByteWriter
    private var count = 0
    private var isNamed = false

    package init(capacity: Int = 64) { writer = ByteWriter(capacity: capacity) }

    /// The number of values so far.
    package var valueCount: Int { count }

    /// Adds a serialized value.
    package mutating func append(_ view: ByteView) {
        count += 1
        writer.appendCell(view)
    }

    /// Adds a serialized value, or null.
    package mutating func append(_ bytes: [UInt8]?) {
        count += 1
        writer.appendBytes(bytes)
    }

    /// Adds text as it is serialized.
    package mutating func append(utf8 text: String) {
        count += 1
        writer.appendLongString(text)
    }

    /// Adds an integer as `tinyint`, `smallint`, `int` and `bigint` are serialized, by its width.
    package mutating func append<I: FixedWidthInteger>(integer: I) {
        count += 1
        writer.appendBigEndian(Int32(MemoryLayout<I>.size))
        writer.appendBigEndian(integer)
    }

    /// Adds a value that `fill` serializes.
    package mutating func append(_ fill: (inout ByteWriter) -> Void) {
        count += 1
        let start = writer.count
        writer.appendBigEndian(Int32(0))
        fill(&writer)
        writer.putBigEndian(Int32(truncatingIfNeeded: writer.count - start - 4), at: start)
    }

    /// Adds a null.
    package mutating func appendNull() {
        count += 1
        writer.appendBigEndian(Int32(-1))
    }

    /// Adds a value that leaves its marker out.
    package mutating func appendUnset() {
        count += 1
        writer.appendBigEndian(Int32(-2))
    }

    /// Names the value that is added next. Either all values have names or none.
    package mutating func name(_ name: String) {
        invariant(isNamed || count == 0, "either all bound values have names or none")
        isNamed = true
        writer.appendString(name)
    }

    /// The values so far; the builder starts anew and keeps its memory. At most 65,535 values.
    package mutating func finish() -> BoundValues {
        invariant(count <= Int(UInt16.max), "a statement has at most 65535 bound values")
        let bytes = writer.array
        let values = BoundValues(
            validated: bytes,
            0..<bytes.count,
            count: count,
            isNamed: isNamed
        )
        writer.removeAll()
        count = 0
        isNamed = false
        return values
    }
}

extension BodyReader {
    /// Reads `[short] n` and n values, whose bytes stay in `storage`, the body being read.
    mutating func boundValues(
        storage: [UInt8],
        isNamed: Bool
    ) throws(ProtocolError) -> BoundValues {
        let count = Int(try short("the number of bound values"))
        let start = offset
        for _ in 0..<count {
            if isNamed { _ = try string("a bound value's name") }
            _ = try value("a bound value")
        }
        return BoundValues(validated: storage, start..<offset, count: count, isNamed: isNamed)
    }
}
