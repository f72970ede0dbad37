// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// How a field was written, which decides how it may be read.
package enum FieldKind: UInt8, Sendable {
    /// The record does not have it.
    case absent
    /// JSON's `null`.
    case null
    /// A CSV field, or a JSON string without its quotes and escapes.
    case text
    /// A JSON number, `true` or `false`.
    case literal
    /// A JSON array or object, as it is written.
    case composite
}

/// The fields of one record, in one flat buffer that the next record reuses.
package struct FieldList: ~Copyable {
    private struct Field {
        var start: Int
        var count: Int
        var kind: FieldKind
    }

    /// The fields' bytes.
    var bytes = ByteWriter(capacity: 4096)
    /// How many fields there are.
    package private(set) var count = 0
    /// How many records have ended in these fields: more than one is an error in the input.
    var rows = 0
    private var fields: UnsafeMutablePointer<Field>
    private var capacity: Int

    init() {
        capacity = 64
        fields = .allocate(capacity: capacity)
    }

    deinit { fields.deallocate() }

    mutating func removeAll() {
        bytes.removeAll()
        count = 0
        rows = 0
    }

    /// Appends a field with a copy of its bytes.
    mutating func append(_ view: ByteView) {
        if count == capacity { grow(to: count + 1) }
        fields[count] = Field(start: bytes.count, count: view.count, kind: .text)
        count += 1
        bytes.append(view)
    }

    /// Makes `count` fields, the new ones absent.
    mutating func extend(to count: Int) {
        if count > capacity { grow(to: count) }
        while self.count < count {
            fields[self.count] = Field(start: 0, count: 0, kind: .absent)
            self.count += 1
        }
    }

    /// Sets a field to the bytes that were appended to `bytes` from `start` on.
    mutating func set(_ index: Int, kind: FieldKind, from start: Int) {
        invariant(index >= 0 && index < count, "field outside of the record")
        fields[index] = Field(start: start, count: bytes.count - start, kind: kind)
    }

    /// What kind of field stands at `index`; absent beyond the record's end.
    package func kind(_ index: Int) -> FieldKind { index < count ? fields[index].kind : .absent }

    /// The bytes of a field, valid until the next record is read.
    package func view(_ index: Int) -> ByteView {
        invariant(index >= 0 && index < count, "field outside of the record")
        let field = fields[index]
        return ByteView(bytes.view.base + field.start, count: field.count)
    }

    @inline(never)
    private mutating func grow(to count: Int) {
        let larger = max(capacity * 2, count)
        let moved = UnsafeMutablePointer<Field>.allocate(capacity: larger)
        moved.update(from: fields, count: self.count)
        fields.deallocate()
        fields = moved
        capacity = larger
    }
}
