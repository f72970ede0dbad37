// SPDX-License-Identifier: Apache-2.0

/// Cuts input that arrives line by line into statements, at the semicolons that end them.
///
/// A semicolon inside a string, a quoted name, a `$$` text, a comment or a `BEGIN … BATCH` that has not
/// met its `APPLY BATCH` ends nothing. The shell's own commands (`HELP`, `DESCRIBE …`) end at the
/// end of their line, too. Each byte is looked at once, however many lines a statement has.
package struct InputSplitter {
    /// A complete statement and where it stood.
    package struct Statement: Equatable, Sendable {
        /// The text without the final semicolon.
        package let text: String
        /// The line of its first character, from 1.
        package let line: Int
        /// The characters before it in that line.
        package let column: Int
    }

    /// What an incomplete statement waits for.
    package enum Pending: Equatable, Sendable {
        /// There is no statement begun.
        case nothing
        /// The final semicolon.
        case semicolon
        /// The end of a string that began in this line.
        case string(line: Int)
        /// The end of a quoted name that began in this line.
        case name(line: Int)
        /// The end of a comment that began in this line.
        case comment(line: Int)
        /// `APPLY BATCH` of a batch that began in this line.
        case batch(line: Int)
    }

    private enum Mode: Equatable {
        case plain
        case quoted(UInt8)
        case dollars
        case lineComment
        case blockComment
    }

    /// The lines seen so far.
    package private(set) var lineCount = 0

    private var statement: [UInt8] = []
    private var hasBegun = false
    private var mode = Mode.plain
    private var modeLine = 0
    private var startLine = 0
    private var startColumn = 0
    private var words = Words()

    package init() {}

    /// What the text that was not yet returned waits for.
    package var pending: Pending {
        switch mode {
        case .quoted(UInt8(ascii: "\"")): .name(line: modeLine)
        case .quoted, .dollars: .string(line: modeLine)
        case .blockComment: .comment(line: modeLine)
        case .plain, .lineComment:
            statement.isEmpty
                ? .nothing : words.isOpenBatch ? .batch(line: startLine) : .semicolon
        }
    }

    /// The text of the statement that has begun and not ended.
    package var unfinished: String { String(decoding: statement, as: UTF8.self) }

    /// Takes one line, without its newline, and returns the statements that it completes.
    package mutating func append(line: String) -> [Statement] {
        lineCount += 1
        var found: [Statement] = []
        let bytes = Array(line.utf8)
        if !statement.isEmpty { statement.append(UInt8(ascii: "\n")) }
        var index = 0
        while index < bytes.count {
            index += take(bytes, index, &found)
        }
        if mode == .lineComment { mode = .plain }
        words.finishWord()
        if mode == .plain, !statement.isEmpty, words.endsWithLine { finish(&found) }
        return found
    }

    /// Returns what has begun as a statement, although nothing ended it, and starts anew.
    package mutating func finishRest() -> Statement? {
        var found: [Statement] = []
        if !statement.isEmpty { finish(&found) }
        cancel()
        return found.first
    }

    /// Forgets what has begun.
    package mutating func cancel() {
        statement = []
        hasBegun = false
        mode = .plain
        words = Words()
    }

    /// Handles the byte at `index` and returns how many bytes it took.
    private mutating func take(_ bytes: [UInt8], _ index: Int, _ found: inout [Statement]) -> Int {
        let byte = bytes[index]
        let next = index + 1 < bytes.count ? bytes[index + 1] : 0
        switch mode {
        case .plain:
            return takePlain(bytes, index, next, &found)
        case .quoted(let quote):
            keep(byte)
            // A doubled quote closes and opens again: the state after both is the same.
            if byte == quote { mode = .plain }
            return 1
        case .dollars:
            keep(byte)
            guard byte == UInt8(ascii: "$"), next == byte else { return 1 }
            keep(next)
            mode = .plain
            return 2
        case .lineComment:
            keep(byte)
            return 1
        case .blockComment:
            keep(byte)
            guard byte == UInt8(ascii: "*"), next == UInt8(ascii: "/") else { return 1 }
            keep(next)
            mode = .plain
            return 2
        }
    }

    private mutating func takePlain(
        _ bytes: [UInt8],
        _ index: Int,
        _ next: UInt8,
        _ found: inout [Statement]
    ) -> Int {
        let byte = bytes[index]
        if Words.isPart(byte) {
            begin(bytes, index)
            keep(byte)
            words.take(byte)
            return 1
        }
        words.finishWord()
        switch (byte, next) {
        case (UInt8(ascii: ";"), _):
            if words.isOpenBatch { keep(byte) } else { finish(&found) }
            return 1
        case (UInt8(ascii: "-"), UInt8(ascii: "-")), (UInt8(ascii: "/"), UInt8(ascii: "/")):
            mode = .lineComment
        case (UInt8(ascii: "/"), UInt8(ascii: "*")):
            mode = .blockComment
        case (UInt8(ascii: "$"), UInt8(ascii: "$")):
            begin(bytes, index)
            mode = .dollars
        case (UInt8(ascii: "'"), _), (UInt8(ascii: "\""), _):
            begin(bytes, index)
            mode = .quoted(byte)
            modeLine = lineCount
            words.takeOther()
            keep(byte)
            return 1
        case (UInt8(ascii: " "), _), (UInt8(ascii: "\t"), _), (UInt8(ascii: "\r"), _):
            keep(byte)
            return 1
        default:
            begin(bytes, index)
            keep(byte)
            words.takeOther(byte)
            return 1
        }
        // The two bytes that open a comment or a $$ text.
        modeLine = lineCount
        keep(byte)
        keep(next)
        return 2
    }

    /// Notes where the statement starts if `index` is its first byte.
    private mutating func begin(_ bytes: [UInt8], _ index: Int) {
        guard !hasBegun else { return }
        startLine = lineCount
        startColumn = String(decoding: bytes[..<index], as: UTF8.self).count
        hasBegun = true
    }

    /// Adds a byte to the statement; what stands before its beginning is dropped.
    private mutating func keep(_ byte: UInt8) {
        guard hasBegun else { return }
        statement.append(byte)
    }

    private mutating func finish(_ found: inout [Statement]) {
        while let last = statement.last, last == 32 || (9...13).contains(last) {
            statement.removeLast()
        }
        if !statement.isEmpty {
            let text = String(decoding: statement, as: UTF8.self)
            found.append(Statement(text: text, line: startLine, column: startColumn))
        }
        cancel()
    }
}

extension InputSplitter {
    /// What has to be known of a statement's words to tell its end.
    private struct Words {
        private var current: [UInt8] = []
        private var first = ""
        private var beforeLast = ""
        private var last = ""
        private var count = 0
        private var isBatch = false

        static func isPart(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xFF:
                true
            default: false
            }
        }

        /// Whether the statement is a batch that is still open.
        var isOpenBatch: Bool { isBatch && !(beforeLast == "APPLY" && last == "BATCH") }

        /// Whether the statement is complete at the end of its line.
        var endsWithLine: Bool {
            if first == "USE" { return count >= 2 }
            return Directive.lineWords.contains(first)
        }

        mutating func take(_ byte: UInt8) {
            // No word that matters is longer.
            if current.count < 32 { current.append(byte) }
        }

        mutating func finishWord() {
            guard !current.isEmpty else { return }
            let word = String(decoding: current, as: UTF8.self).uppercased()
            current.removeAll(keepingCapacity: true)
            count += 1
            if count == 1 { first = word }
            if first == "BEGIN", word == "BATCH", count <= 3 { isBatch = true }
            beforeLast = last
            last = word
        }

        /// A string, a quoted name or a sign stands between words.
        mutating func takeOther(_ byte: UInt8 = 0) {
            if count == 0 { first = byte == UInt8(ascii: "?") ? "?" : "" }
            count += 1
            beforeLast = ""
            last = ""
        }
    }
}
