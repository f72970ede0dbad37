// SPDX-License-Identifier: Apache-2.0

/// Rules about the shape of files: length, blanks, first line, marks that need a reason.
enum ShapeRules {
    static let fileLinesMax = 800
    static let functionLinesMax = 100

    /// Files that are made by a program or are lists, with the reason.
    static let longFiles: [String: String] = [:]

    static func blanks(_ file: SourceFile) -> [Violation] {
        guard file.isSwift || file.path.hasSuffix(".py") || file.path.hasPrefix("tools/") else {
            return []
        }
        var found: [Violation] = []
        for (index, line) in file.lines.enumerated() where !file.isExcused("blanks", at: index) {
            if line.contains("\t") {
                found.append(Violation(file: file.path, line: index + 1, sentence: "has a tab"))
            }
            if line.last == " " {
                let sentence = "ends with a blank"
                found.append(Violation(file: file.path, line: index + 1, sentence: sentence))
            }
        }
        if !file.endsWithNewline {
            let sentence = "the last line has no newline"
            found.append(Violation(file: file.path, line: file.lines.count, sentence: sentence))
        }
        return found
    }

    static func licence(_ file: SourceFile) -> [Violation] {
        let isScript = file.lines.first?.hasPrefix("#!") == true
        let isCode = ["swift", "py", "c", "h"].contains { file.path.hasSuffix(".\($0)") }
        guard isCode || isScript else { return [] }
        let wanted = "SPDX-License-Identifier: Apache-2.0"
        if file.lines.prefix(2).contains(where: { $0.hasSuffix(wanted) }) { return [] }
        return [Violation(file: file.path, line: 1, sentence: "begins without \"\(wanted)\"")]
    }

    static func unfinished(_ file: SourceFile) -> [Violation] {
        guard file.isSwift || file.path.hasSuffix(".py"), file.testTarget != "TidyTests" else {
            return []
        }
        return file.lines.enumerated().compactMap { index, line in
            let words = ["TODO", "FIXME", "XXX"]
            guard let word = words.first(where: { WordRule.line(line, has: $0) }),
                !file.isExcused("unfinished", at: index)
            else { return nil }
            let sentence = "\(word): finish it, or write down what isn't there in docs"
            return Violation(file: file.path, line: index + 1, sentence: sentence)
        }
    }

    /// What the compiler doesn't check needs the reason why it holds, in a comment beside it.
    static func reasons(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.target != nil else { return [] }
        let marks = ["@unchecked", "nonisolated(unsafe)"]
        return file.code.enumerated().compactMap { index, line in
            guard let mark = marks.first(where: { line.contains($0) }) else { return nil }
            let hasComment =
                file.lines[index].contains("//")
                || (index > 0 && file.lines[index - 1].trimmed.hasPrefix("//"))
            let sentence = "\(mark) without a comment that names the lock, the queue or the owner"
            return hasComment
                ? nil : Violation(file: file.path, line: index + 1, sentence: sentence)
        }
    }

    static func lengths(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.target != nil || file.testTarget != nil else { return [] }
        var found: [Violation] = []
        if file.lines.count > fileLinesMax, longFiles[file.path] == nil {
            let sentence = "\(file.lines.count) lines; a file has at most \(fileLinesMax)"
            found.append(Violation(file: file.path, line: 1, sentence: sentence))
        }
        for function in FunctionScanner.functions(in: file.code)
        where function.length > functionLinesMax && !file.isExcused("length", at: function.line) {
            let sentence =
                "\(function.name) has \(function.length) lines; a function has at most "
                + "\(functionLinesMax)"
            let line = function.line + 1
            found.append(Violation(file: file.path, line: line, sentence: sentence))
        }
        return found
    }
}

extension String {
    /// Without the blanks before and after it.
    var trimmed: Substring {
        let start = drop { $0 == " " || $0 == "\t" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { start[...$0] } ?? ""
    }
}
