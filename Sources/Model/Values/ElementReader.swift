// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Reads the elements of a serialized list, set, map or tuple.
///
/// Each is a 4-byte length, which is negative for null, and its bytes. A map's keys and values
/// alternate.
package struct ElementReader {
    private var reader: ByteReader
    /// How many elements are left, as the collection's count says; nil in a tuple.
    package private(set) var remaining: Int?

    /// A reader of the elements of a list or set.
    package init(collection view: ByteView) throws(MalformedBytes) {
        try self.init(view, elementsPerCount: 1)
    }

    /// A reader of the keys and values of a map.
    package init(map view: ByteView) throws(MalformedBytes) {
        try self.init(view, elementsPerCount: 2)
    }

    /// A reader of the fields of a tuple, which may have fewer than its type.
    package init(tuple view: ByteView) {
        reader = ByteReader(view)
    }

    private init(_ view: ByteView, elementsPerCount: Int) throws(MalformedBytes) {
        reader = ByteReader(view)
        let count = Int(try reader.readBigEndian(Int32.self))
        // Each element has a length of four bytes: a greater count is a lie.
        guard count >= 0, count <= reader.remaining / (4 * elementsPerCount) else {
            throw MalformedBytes(offset: 0, expected: "an element count that the bytes can hold")
        }
        remaining = count * elementsPerCount
    }

    /// Whether all elements that the count announces, or a tuple's bytes, have been read.
    package var isAtEnd: Bool { remaining.map { $0 == 0 } ?? reader.isAtEnd }

    /// Whether bytes are left behind the last element.
    package var hasBytesLeft: Bool { !reader.isAtEnd }

    /// The next element; nil is null.
    package mutating func next() throws(MalformedBytes) -> ByteView? {
        let length = try reader.readBigEndian(Int32.self)
        if let left = remaining { remaining = left - 1 }
        return length < 0 ? nil : try reader.readView(Int(length))
    }
}
