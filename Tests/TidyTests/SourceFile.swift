// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A text file of the repository.
struct SourceFile {
    /// The path from the top of the repository, with "/" between parts.
    let path: String
    let lines: [String]
    /// For Swift files: the lines without comments and with the insides of string literals left out.
    let code: [String]
    let endsWithNewline: Bool

    init(path: String, text: String) {
        self.path = path
        self.endsWithNewline = text.isEmpty || text.utf8.last == UInt8(ascii: "\n")
        self.lines = Self.split(text)
        self.code = path.hasSuffix(".swift") ? Self.split(SwiftText.codeOnly(text)) : lines
    }

    private static func split(_ text: String) -> [String] {
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isMarkdown: Bool { path.hasSuffix(".md") }

    /// `Storage` for `Sources/Storage/…`; nil outside of Sources.
    var target: String? { folder(under: "Sources") }

    /// `StorageTests` for `Tests/StorageTests/…`; nil outside of Tests.
    var testTarget: String? { folder(under: "Tests") }

    private func folder(under top: String) -> String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == top ? String(parts[1]) : nil
    }

    /// Whether line `index` or the one above says `tidy: RULE: reason`.
    func isExcused(_ rule: String, at index: Int) -> Bool {
        let mark = "tidy: \(rule): "
        return lines[index].contains(mark) || (index > 0 && lines[index - 1].contains(mark))
    }
}

/// The repository as it lies on disk.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file that belongs to the repository, in order of path.
    static let files: [SourceFile] = {
        paths(in: "").sorted().compactMap { path in
            guard let data = try? Data(contentsOf: root.appendingPathComponent(path)),
                !data.contains(0), let text = String(data: data, encoding: .utf8)
            else { return nil }
            return SourceFile(path: path, text: text)
        }
    }()

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    private static let skippedNames: Set<String> = [
        ".git", "__pycache__", ".pytest_cache", "Package.resolved",
    ]

    private static func paths(in folder: String) -> [String] {
        let manager = FileManager.default
        let url = folder.isEmpty ? root : root.appendingPathComponent(folder)
        var found: [String] = []
        for name in (try? manager.contentsOfDirectory(atPath: url.path)) ?? [] {
            if skippedNames.contains(name) || name.hasPrefix(".build") { continue }
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            var isFolder: ObjCBool = false
            let full = root.appendingPathComponent(path).path
            guard manager.fileExists(atPath: full, isDirectory: &isFolder) else { continue }
            if isFolder.boolValue { found += paths(in: path) } else { found.append(path) }
        }
        return found
    }
}

/// Something that a rule forbids, at a place.
struct Violation: CustomStringConvertible {
    let file: String
    /// Counted from 1.
    let line: Int
    let sentence: String

    var description: String { "\(file):\(line): \(sentence)" }
}
