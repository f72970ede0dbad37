// SPDX-License-Identifier: Apache-2.0

/// Which modules each target may import: the layers of the architecture, lowest first.
///
/// A target that isn't listed fails, and so does one that is listed and gone.
enum ImportRule {
    static let allowed: [(target: String, modules: Set<String>)] = [
        ("Bytes", ["CIntrinsics", "CLZ4", "CSnappy", "CXXHash", "CZlib", "CZstd", "Glibc"]),
        ("Model", ["Bytes"]),
        ("Environment", ["Bytes", "CUIO", "Glibc", "Model", "Synchronization"]),
        ("Cluster", ["Bytes", "Model"]),
        ("CQLProtocol", ["Bytes", "Model"]),
        (
            "Transport",
            [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Glibc", "Model", "NIOCore",
                "NIOHTTP1", "NIOPosix", "NIOSSL", "Synchronization",
            ]
        ),
        (
            "Client",
            [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Glibc", "Model", "NIOCore",
                "NIOPosix", "Synchronization",
            ]
        ),
        ("Storage", ["Bytes", "Environment", "Model", "Synchronization"]),
        ("Node", ["Bytes", "Cluster", "Environment", "Model", "Storage", "Synchronization"]),
        (
            "CQL",
            [
                "Bytes", "CQLProtocol", "Cluster", "Environment", "Model", "Node", "Storage",
                "Synchronization",
            ]
        ),
        (
            "Server",
            [
                "AdminProtocol", "ArgumentParser", "Bytes", "CQL", "CQLProtocol", "Cluster",
                "Environment", "Foundation", "Model", "Node", "Storage", "Synchronization", "Transport", "Yams",
            ]
        ),
        ("AdminProtocol", []),
        (
            "Admin",
            [
                "AdminProtocol", "ArgumentParser", "Foundation", "Glibc", "NIOCore", "NIOHTTP1",
                "NIOPosix", "Synchronization",
            ]
        ),
        (
            "Shell",
            [
                "ArgumentParser", "Bytes", "CEdit", "CQL", "CQLProtocol", "Client", "Environment",
                "Glibc", "Model", "Node", "Storage", "Synchronization",
            ]
        ),
        ("Fuzz", ["Bytes", "CQL", "CQLProtocol", "Environment", "Glibc", "Model", "Storage"]),
        (
            "Import",
            [
                "ArgumentParser", "Bytes", "CCSV", "CQL", "CQLProtocol", "CZlib", "Client", "Environment",
                "Glibc", "Model", "Node", "Storage", "Synchronization",
            ]
        ),
        ("SSTableTool", ["ArgumentParser", "Bytes", "Environment", "Glibc", "Model", "Storage"]),
        (
            "Bench",
            [
                "ArgumentParser", "Bytes", "Client", "Cluster", "Environment", "Glibc", "Model", "Node",
                "Simulator", "Storage",
            ]
        ),
        (
            "Simulator",
            [
                "ArgumentParser", "Bytes", "CQL", "CQLProtocol", "Cluster", "Environment", "Glibc",
                "Model", "Node", "Storage",
            ]
        ),
        (
            "tholos",
            [
                "Admin", "ArgumentParser", "Bench", "Import", "Model", "SSTableTool", "Server", "Shell",
                "Simulator",
            ]
        ),
    ]

    /// What a person runs: these may use Foundation sparingly, print, and read the time.
    static let tools: Set<String> = [
        "Admin", "Bench", "Fuzz", "Import", "SSTableTool", "Server", "Shell", "tholos",
    ]

    static func violations(in file: SourceFile) -> [Violation] {
        guard let target = file.target, file.isSwift else { return [] }
        guard let modules = allowed.first(where: { $0.target == target })?.modules else {
            let sentence = "target \(target) isn't in ImportRule.allowed"
            return [Violation(file: file.path, line: 1, sentence: sentence)]
        }
        var found: [Violation] = []
        for (index, line) in file.code.enumerated() {
            guard let module = importedModule(line), !modules.contains(module) else { continue }
            if file.isExcused("import", at: index) { continue }
            let sentence =
                "\(target) must not import \(module); it may import "
                + modules.sorted().joined(separator: ", ")
            found.append(Violation(file: file.path, line: index + 1, sentence: sentence))
        }
        return found
    }

    /// `M` of `@testable package import struct M.T`; nil for a line that imports nothing.
    static func importedModule(_ line: String) -> String? {
        var words = line.split(separator: " ")[...]
        let modifiers: Set<Substring> = [
            "package", "public", "internal", "private", "fileprivate", "@testable", "@_exported",
            "@preconcurrency", "@_implementationOnly",
        ]
        words = words.drop { modifiers.contains($0) }
        guard words.popFirst() == "import" else { return nil }
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "func", "protocol", "typealias", "var", "let",
        ]
        words = words.drop { kinds.contains($0) }
        return words.first?.split(separator: ".").first.map(String.init)
    }
}
