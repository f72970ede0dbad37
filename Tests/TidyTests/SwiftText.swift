// SPDX-License-Identifier: Apache-2.0

/// Tells code from comments and string literals, as far as rules about words need it.
enum SwiftText {
    /// `text` with the insides of comments and string literals left out; every newline stays.
    ///
    /// What stands in an interpolation counts as part of its literal.
    static func codeOnly(_ text: String) -> String {
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.scan()
        return String(decoding: scanner.code, as: UTF8.self)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var code: [UInt8] = []
        var index = 0

        init(bytes: [UInt8]) {
            self.bytes = bytes
            code.reserveCapacity(bytes.count)
        }

        private static let quote = UInt8(ascii: "\"")
        private static let newline = UInt8(ascii: "\n")

        private func starts(with text: StaticString, at offset: Int) -> Bool {
            let count = text.utf8CodeUnitCount
            guard offset + count <= bytes.count else { return false }
            for step in 0..<count where bytes[offset + step] != text.utf8Start[step] {
                return false
            }
            return true
        }

        mutating func scan() {
            while index < bytes.count {
                if starts(with: "//", at: index) {
                    while index < bytes.count, bytes[index] != Self.newline { index += 1 }
                } else if starts(with: "/*", at: index) {
                    skipBlockComment()
                } else if let hashes = literalStart() {
                    skipLiteral(hashes: hashes)
                } else {
                    code.append(bytes[index])
                    index += 1
                }
            }
        }

        private mutating func skip(_ count: Int) {
            for offset in index..<min(index + count, bytes.count)
            where bytes[offset] == Self.newline {
                code.append(Self.newline)
            }
            index += count
        }

        private mutating func skipBlockComment() {
            var depth = 0
            while index < bytes.count {
                if starts(with: "/*", at: index) {
                    depth += 1
                    skip(2)
                } else if starts(with: "*/", at: index) {
                    depth -= 1
                    skip(2)
                    if depth == 0 { return }
                } else {
                    skip(1)
                }
            }
        }

        /// How many "#" stand before the quote that begins here; nil if no literal begins here.
        private func literalStart() -> Int? {
            var offset = index
            while offset < bytes.count, bytes[offset] == UInt8(ascii: "#") { offset += 1 }
            return offset < bytes.count && bytes[offset] == Self.quote ? offset - index : nil
        }

        private func hashes(at offset: Int, count: Int) -> Bool {
            offset + count <= bytes.count
                && bytes[offset..<offset + count].allSatisfy { $0 == UInt8(ascii: "#") }
        }

        /// Passes over one literal, leaving a pair of quotes in the code.
        private mutating func skipLiteral(hashes count: Int) {
            skip(count)
            let isMultiline = starts(with: "\"\"\"", at: index)
            let width = isMultiline ? 3 : 1
            skip(width)
            code += [Self.quote, Self.quote]
            while index < bytes.count {
                let byte = bytes[index]
                if byte == UInt8(ascii: "\\"), hashes(at: index + 1, count: count) {
                    let next = index + 1 + count
                    if next < bytes.count, bytes[next] == UInt8(ascii: "(") {
                        skip(next - index)
                        skipInterpolation()
                    } else {
                        skip(next - index + 1)
                    }
                } else if byte == Self.quote,
                    !isMultiline || starts(with: "\"\"\"", at: index),
                    hashes(at: index + width, count: count)
                {
                    return skip(width + count)
                } else if byte == Self.newline, !isMultiline {
                    return
                } else {
                    skip(1)
                }
            }
        }

        /// Passes over `( … )`, in which literals may stand again.
        private mutating func skipInterpolation() {
            let keep = code.count
            var depth = 0
            while index < bytes.count {
                if let hashes = literalStart() {
                    skipLiteral(hashes: hashes)
                    continue
                }
                if bytes[index] == UInt8(ascii: "(") { depth += 1 }
                if bytes[index] == UInt8(ascii: ")") { depth -= 1 }
                skip(1)
                if depth == 0 { break }
            }
            let newlines = code[keep...].filter { $0 == Self.newline }
            code.replaceSubrange(keep..., with: newlines)
        }
    }
}
