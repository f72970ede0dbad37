// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Rules about what stands in pages and in any committed text.
enum TextRules {
    /// Links to files resolve.
    static func links(_ file: SourceFile, exists: (String) -> Bool) -> [Violation] {
        guard file.isMarkdown else { return [] }
        let folder = file.path.split(separator: "/").dropLast().map(String.init)
        var found: [Violation] = []
        var inFence = false
        for (index, line) in file.lines.enumerated() {
            if line.trimmed.hasPrefix("```") { inFence.toggle() }
            if inFence { continue }
            for target in targets(of: line) where !target.contains(":") {
                let path = target.split(separator: "#", omittingEmptySubsequences: false)[0]
                if path.isEmpty { continue }
                let full = resolve(String(path), in: folder)
                if let full, exists(full) { continue }
                let sentence = "the link to \(target) leads nowhere"
                found.append(Violation(file: file.path, line: index + 1, sentence: sentence))
            }
        }
        return found
    }

    /// What stands between the parentheses of every `[text](target)` of a line outside of code.
    static func targets(of line: String) -> [String] {
        let parts = line.split(separator: "`", omittingEmptySubsequences: false)
        let prose = parts.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        var rest = prose.joined()[...]
        var targets: [String] = []
        while let start = rest.firstRange(of: "](") {
            rest = rest[start.upperBound...]
            guard let end = rest.firstIndex(of: ")") else { break }
            targets.append(String(rest[..<end]))
            rest = rest[end...]
        }
        return targets
    }

    private static func resolve(_ path: String, in folder: [String]) -> String? {
        var parts = path.hasPrefix("/") ? [] : folder
        for part in path.split(separator: "/") where part != "." {
            if part != ".." {
                parts.append(String(part))
            } else if parts.popLast() == nil {
                return nil
            }
        }
        return parts.joined(separator: "/")
    }

    /// The folders of one machine don't stand in what is committed.
    static func machinePaths(_ file: SourceFile) -> [Violation] {
        if file.testTarget == "TidyTests" { return [] }
        let paths = ["/work/", "/root/", "/opt/swift-packages", "/tmp/venv"]
        return file.lines.enumerated().compactMap { index, line in
            guard let path = paths.first(where: { standsAlone($0, in: line) }),
                !file.isExcused("path", at: index)
            else { return nil }
            let sentence = "\(path) is a folder of one machine"
            return Violation(file: file.path, line: index + 1, sentence: sentence)
        }
    }

    private static func standsAlone(_ path: String, in line: String) -> Bool {
        guard let range = line.firstRange(of: path) else { return false }
        let before = line[..<range.lowerBound].last
        return before.map { !($0.isLetter || $0.isNumber || "-_.$}".contains($0)) } ?? true
    }
}
