// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol

/// What a client knows of a request after it.
package enum RequestOutcome: Sendable {
    case answer(Answer)
    /// It was refused: nothing of it has happened or will.
    case refused(String)
    /// Whether it has happened, or will yet, isn't known.
    case unknown(String)

    package var answer: Answer? {
        if case .answer(let answer) = self { answer } else { nil }
    }
}

/// A statement's rows, by the names of their columns.
package struct Answer: Sendable {
    package let columns: [String]
    package let rows: [[[UInt8]?]]

    init(columns: [String], rows: [[[UInt8]?]]) {
        self.columns = columns
        self.rows = rows
    }

    init(_ result: StatementResult) {
        guard case .rows(let rows) = result else {
            self.init(columns: [], rows: [])
            return
        }
        self.init(columns: rows.metadata.columns.columns.map(\.name), rows: rows.arrays)
    }

    /// The bytes of a column of a row; nil if they are null or there is no such column.
    package func value(_ row: Int, _ column: String) -> [UInt8]? {
        guard row < rows.count, let index = columns.firstIndex(of: column) else { return nil }
        return rows[row][index]
    }

    /// A value of type int or bigint.
    package func integer(_ row: Int, _ column: String) -> Int64? {
        value(row, column).map(Answer.integer)
    }

    /// A value of type text.
    package func text(_ row: Int, _ column: String) -> String? {
        value(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a conditional statement was applied; nil if it wasn't one.
    package var isApplied: Bool? { value(0, "[applied]").map { $0 == [1] } }

    /// The elements of a set of ints.
    package func integers(_ row: Int, _ column: String) -> [Int64] {
        guard let bytes = value(row, column), bytes.count >= 4 else { return [] }
        // [int] the number of elements, each [bytes].
        let count = Int(Answer.integer(Array(bytes[..<4])))
        guard bytes.count == 4 + count * 8 else { return [] }
        return (0..<count).map { Answer.integer(Array(bytes[(4 + $0 * 8 + 4)..<(4 + $0 * 8 + 8)])) }
    }

    private static func integer(_ bytes: [UInt8]) -> Int64 {
        var value: Int64 = (bytes.first ?? 0) & 0x80 == 0 ? 0 : -1
        for byte in bytes { value = value << 8 | Int64(byte) }
        return value
    }
}
