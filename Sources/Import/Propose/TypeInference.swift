// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Finds the narrowest type that all values of a column have.
struct TypeInference {
    private struct Candidates: OptionSet {
        let rawValue: UInt8
        static let int = Candidates(rawValue: 1)
        static let bigint = Candidates(rawValue: 2)
        static let double = Candidates(rawValue: 4)
        static let boolean = Candidates(rawValue: 8)
        static let timestamp = Candidates(rawValue: 16)
        static let date = Candidates(rawValue: 32)
        static let uuid = Candidates(rawValue: 64)
        static let all = Candidates(rawValue: 127)
    }

    private var candidates = Candidates.all
    /// How many values there were, nulls apart.
    private(set) var valueCount = 0

    /// Looks at one value that is not null.
    mutating func observe(_ field: ByteView, kind: FieldKind) {
        valueCount += 1
        guard !candidates.isEmpty else { return }
        guard kind != .composite else {
            candidates = []
            return
        }
        if !candidates.isDisjoint(with: [.int, .bigint, .double]) { observeNumber(field) }
        if candidates.contains(.boolean), FieldParser.boolean(field) == nil {
            candidates.remove(.boolean)
        }
        if candidates.contains(.timestamp), TimeParser.timestamp(field) == nil {
            candidates.remove(.timestamp)
        }
        if candidates.contains(.date), TimeParser.date(field) == nil { candidates.remove(.date) }
        if candidates.contains(.uuid), FieldParser.uuid(field) == nil { candidates.remove(.uuid) }
    }

    private mutating func observeNumber(_ field: ByteView) {
        guard !TypeInference.isCode(field) else {
            candidates.subtract([.int, .bigint, .double])
            return
        }
        if let value = FieldParser.integer(field) {
            if Int32(exactly: value) == nil { candidates.remove(.int) }
            // Beyond 2^53 a double would round.
            if value.magnitude > 1 << 53 { candidates.remove(.double) }
            return
        }
        candidates.subtract([.int, .bigint])
        if FieldParser.double(field) == nil || TypeInference.isDigits(field) {
            candidates.remove(.double)
        }
    }

    /// Whether digits are a code rather than a number: with leading zeros or a plus sign, which a
    /// number would lose.
    private static func isCode(_ field: ByteView) -> Bool {
        guard field.count > 1 else { return false }
        if field[0] == UInt8(ascii: "+") { return true }
        let start = field[0] == UInt8(ascii: "-") ? 1 : 0
        guard field.count > start + 1, field[start] == UInt8(ascii: "0") else { return false }
        return field[start + 1] &- 0x30 <= 9
    }

    private static func isDigits(_ field: ByteView) -> Bool {
        (0..<field.count).allSatisfy { field[$0] &- 0x30 <= 9 || ($0 == 0 && field[0] == 0x2D) }
    }

    /// The type; text where nothing else fits and where there was no value at all.
    var type: CQLType {
        guard valueCount > 0 else { return .text }
        if candidates.contains(.int) { return .int }
        if candidates.contains(.bigint) { return .bigint }
        if candidates.contains(.double) { return .double }
        if candidates.contains(.boolean) { return .boolean }
        if candidates.contains(.timestamp) { return .timestamp }
        if candidates.contains(.date) { return .date }
        return candidates.contains(.uuid) ? .uuid : .text
    }
}
