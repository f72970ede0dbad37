// SPDX-License-Identifier: Apache-2.0

/// Finds the functions of a Swift file whose comments and literals have been taken out.
struct FunctionScanner {
    struct Function: Equatable {
        let name: String
        /// Where it is declared, counted from 0.
        let line: Int
        /// From its declaration to its closing brace.
        let length: Int
    }

    static func functions(in code: [String]) -> [Function] {
        code.indices.compactMap { line in
            guard let name = declaredName(code[line]) else { return nil }
            guard let end = lastLine(of: code, from: line) else { return nil }
            return Function(name: name, line: line, length: end - line + 1)
        }
    }

    /// What a line declares: `f` for `package static func f(…`, `init` for `init?(…`.
    static func declaredName(_ line: String) -> String? {
        let words = line.trimmed.split(separator: " ")
        for (index, word) in words.enumerated() {
            if word == "func", index + 1 < words.count {
                return String(words[index + 1].prefix { $0 != "(" && $0 != "<" })
            }
            if let name = ["init", "deinit", "subscript"].first(where: { isOpening(word, $0) }) {
                return name
            }
            // Modifiers and attributes may stand before; anything else isn't a declaration.
            let isModifier = word.allSatisfy { $0.isLetter || $0 == "(" || $0 == ")" }
            guard isModifier || word.hasPrefix("@"), !statements.contains(word) else { return nil }
        }
        return nil
    }

    private static let statements: Set<Substring> = [
        "return", "try", "await", "let", "var", "case", "if", "guard", "throw",
    ]

    private static func isOpening(_ word: Substring, _ name: String) -> Bool {
        guard word.hasPrefix(name) else { return false }
        let rest = word.dropFirst(name.count)
        return rest.isEmpty ? name == "deinit" : "(?<!".contains(rest.prefix(1))
    }

    /// The line of the brace that closes the body of what is declared at `start`; nil without body.
    private static func lastLine(of code: [String], from start: Int) -> Int? {
        var round = 0
        var braces = 0
        for line in start..<code.count {
            if line > start, braces == 0, round == 0, !continuesSignature(code[line]) { return nil }
            for byte in code[line].utf8 {
                switch byte {
                case UInt8(ascii: "("), UInt8(ascii: "["): round += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"): round -= 1
                case UInt8(ascii: "{") where braces > 0 || round == 0: braces += 1
                case UInt8(ascii: "}") where braces > 0:
                    braces -= 1
                    if braces == 0 { return line }
                case UInt8(ascii: "}") where round == 0: return nil
                default: break
                }
            }
        }
        return nil
    }

    private static func continuesSignature(_ line: String) -> Bool {
        let first = line.trimmed
        return first.isEmpty
            || ["{", ")", "->", "throws", "rethrows", "async", "where"].contains {
                first.hasPrefix($0)
            }
            || first.hasSuffix(",") || first.hasSuffix("{")
    }
}
