// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
package import Model

/// Snapshots of tables: second names, hard links, of the SSTables that are live at one moment.
///
///     DATA/data/KEYSPACE/TABLE-STORAGEID/snapshots/NAME/NUMBER.sst ...
///                                                      /schema.cql      statements that make the table
///                                                      /manifest.txt    `SnapshotManifest`
///
/// A snapshot is put together as NAME.tmp and gets its name when all of it is durable; it is taken away
/// in the opposite order. So what has a name is complete, and a NAME.tmp at the start is what a crash
/// left. Snapshots stay when their table is dropped or truncated.
///
/// Used from background threads, one call at a time. The node flushes before.
package final class Snapshots: Sendable {
    private let files: TableFiles
    private let turn = Lock()

    package init(_ files: TableFiles) { self.files = files }

    private var fileSystem: any FileSystem { files.environment.fileSystem }

    /// The folder of a table's snapshots.
    static let folderName = "snapshots"
    private static let unfinished = ".tmp"

    /// Whether a snapshot may be called so: 1 to 128 letters, digits, `-`, `_` and `.`, which it neither
    /// begins with nor ends with in `.tmp`.
    package static func isName(_ name: String) -> Bool {
        let isMadeOf = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isMadeOf && (1...128).contains(name.utf8.count) && !name.hasPrefix(".")
            && !name.hasSuffix(unfinished)
    }

    // MARK: Making

    /// A table, and the statements that make it.
    package struct Table: Sendable {
        package let schema: TableSchema
        package let statements: String

        package init(schema: TableSchema, statements: String) {
            self.schema = schema
            self.statements = statements
        }
    }

    /// Makes a snapshot of tables. When one fails, those that were made are taken away again.
    ///
    /// - Parameter name: `isName` has said yes.
    /// - Throws: `.exists` when one of the tables has a snapshot of that name.
    package func take(_ name: String, of tables: [Table]) throws(SnapshotError) {
        try turn.withLock { () throws(SnapshotError) in try takeInTurn(name, tables) }
    }

    private func takeInTurn(_ name: String, _ tables: [Table]) throws(SnapshotError) {
        var made: [String] = []
        do throws(SnapshotError) {
            for table in tables {
                let folder = "\(files.folder(table.schema))/\(Snapshots.folderName)"
                if try kind("\(folder)/\(name)") != nil {
                    throw .exists(name, keyspace: table.schema.keyspace, table: table.schema.name)
                }
            }
            for table in tables {
                let folder = "\(files.folder(table.schema))/\(Snapshots.folderName)"
                made.append(folder)
                try take(name, of: table, in: folder)
            }
        } catch {
            for folder in made { try? remove(name, in: folder) }
            throw error
        }
    }

    private func take(
        _ name: String,
        of table: Table,
        in folder: String
    ) throws(SnapshotError) {
        let unfinished = "\(folder)/\(name)\(Snapshots.unfinished)"
        do throws(FileError) {
            // What a failure left behind, and could not take away, would be in the way.
            if try fileSystem.kind(unfinished) != nil {
                try Snapshots.removeFolder(unfinished, fileSystem)
            }
            try fileSystem.createDirectoryDurably(unfinished)
            try files.holding { () throws(FileError) in
                let live = files.manifest.liveFiles(of: table.schema.storageID)
                var manifest = SnapshotManifest(
                    createdAt: files.environment.clock.microsecondsSinceEpoch(),
                    storageID: table.schema.storageID
                )
                for file in live {
                    let path = files.path(file.number, table.schema)
                    let fileName = FilePath.name(of: path)
                    // One that is missing is in quarantine; a snapshot of the rest is better than none.
                    guard try fileSystem.kind(path) != nil else { continue }
                    try fileSystem.link(path, to: "\(unfinished)/\(fileName)")
                    manifest.files.append((fileName, file.ranges))
                }
                try write(manifest.text, to: "\(unfinished)/\(SnapshotManifest.fileName)")
            }
            try write(table.statements, to: "\(unfinished)/schema.cql")
            try fileSystem.syncDirectory(unfinished)
            try fileSystem.rename(unfinished, to: "\(folder)/\(name)")
            try fileSystem.syncDirectory(folder)
        } catch {
            throw .file(error)
        }
    }

    private func write(_ text: String, to path: String) throws(FileError) {
        let file = try fileSystem.create(path)
        defer { file.close() }
        try Array(text.utf8).withView { (view) throws(FileError) in try file.append(view) }
        try file.sync()
    }

    // MARK: Looking

    /// All snapshots, by keyspace, table and name.
    package func list() throws(SnapshotError) -> [SnapshotFacts] {
        do throws(FileError) {
            return try turn.withLock { () throws(FileError) in try listInTurn() }
        } catch {
            throw .file(error)
        }
    }

    private func listInTurn() throws(FileError) -> [SnapshotFacts] {
        var all: [SnapshotFacts] = []
        let data = "\(files.root)/data"
        guard try fileSystem.kind(data) == .directory else { return [] }
        for keyspace in try fileSystem.list(data) {
            for table in try fileSystem.list("\(data)/\(keyspace)") {
                let tableFolder = "\(data)/\(keyspace)/\(table)"
                let folder = "\(tableFolder)/\(Snapshots.folderName)"
                guard try fileSystem.kind(folder) == .directory else { continue }
                for name in try fileSystem.list(folder) where !name.hasSuffix(Snapshots.unfinished) {
                    let end = table.lastIndex(of: "-") ?? table.endIndex
                    var facts = SnapshotFacts(
                        name: name,
                        keyspace: keyspace,
                        table: String(table[..<end]),
                        folder: "\(folder)/\(name)"
                    )
                    try measure(&facts, beside: tableFolder)
                    all.append(facts)
                }
            }
        }
        return all
    }

    /// How large it is, and how much of that nothing else takes.
    private func measure(_ facts: inout SnapshotFacts, beside live: String) throws(FileError) {
        for name in try fileSystem.list(facts.folder) {
            guard case .file(let size) = try fileSystem.kind("\(facts.folder)/\(name)") else { continue }
            facts.size += size
            if name == SnapshotManifest.fileName {
                facts.createdAt = try createdAt("\(facts.folder)/\(name)")
            }
            let isLive = try fileSystem.kind("\(live)/\(name)") != nil
            if !isLive || !name.hasSuffix(".sst") { facts.ownSize += size }
        }
    }

    private func createdAt(_ path: String) throws(FileError) -> Int64? {
        let file = try fileSystem.open(path)
        // It stands on the second line.
        var bytes = [UInt8](repeating: 0, count: min(file.size, 256))
        let count = try Snapshots.read(file, into: &bytes)
        return SnapshotManifest.createdAt(String(decoding: bytes.prefix(count), as: UTF8.self))
    }

    private static func read(
        _ file: any ReadableFile,
        into bytes: inout [UInt8]
    ) throws(FileError) -> Int {
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(FileError) in try file.read(at: 0, into: buffer) }
        }
        return try result.get()
    }

    // MARK: Removing

    /// Takes snapshots away.
    ///
    /// - Parameters:
    ///   - name: nil for those of any name.
    ///   - keyspaces: nil for all.
    /// - Returns: those that are gone.
    package func clear(
        _ name: String?,
        keyspaces: Set<String>?
    ) throws(SnapshotError) -> [SnapshotFacts] {
        let wanted = try list().filter { facts in
            (name == nil || facts.name == name) && keyspaces?.contains(facts.keyspace) ?? true
        }
        do throws(FileError) {
            try turn.withLock { () throws(FileError) in
                for facts in wanted {
                    try remove(facts.name, in: FilePath.parent(of: facts.folder) ?? ".")
                }
            }
        } catch {
            throw .file(error)
        }
        return wanted
    }

    /// Removes a snapshot, finished or not, and folders that are empty then.
    private func remove(_ name: String, in folder: String) throws(FileError) {
        let unfinished = "\(folder)/\(name)\(Snapshots.unfinished)"
        if try fileSystem.kind(unfinished) != nil {
            try Snapshots.removeFolder(unfinished, fileSystem)
        }
        if try fileSystem.kind("\(folder)/\(name)") != nil {
            try fileSystem.rename("\(folder)/\(name)", to: unfinished)
            try fileSystem.syncDirectory(folder)
            try Snapshots.removeFolder(unfinished, fileSystem)
        }
        // The folder of a table that is gone was kept for its snapshots alone.
        var empty: String? = folder
        for _ in 0..<2 {
            guard let path = empty, try fileSystem.list(path).isEmpty else { return }
            try fileSystem.removeDirectory(path)
            empty = FilePath.parent(of: path)
        }
    }

    private static func removeFolder(
        _ path: String,
        _ fileSystem: any FileSystem
    ) throws(FileError) {
        for name in try fileSystem.list(path) { try fileSystem.remove("\(path)/\(name)") }
        try fileSystem.removeDirectory(path)
    }

    /// Removes what a crash left of snapshots that were being made or taken away, at the start.
    ///
    /// - Parameter folder: that of a table.
    /// - Returns: the paths that are gone.
    package static func removeLeftovers(
        in folder: String,
        _ fileSystem: any FileSystem
    ) throws(FileError) -> [String] {
        let snapshots = "\(folder)/\(folderName)"
        guard try fileSystem.kind(snapshots) == .directory else { return [] }
        var removed: [String] = []
        for name in try fileSystem.list(snapshots) where name.hasSuffix(unfinished) {
            try removeFolder("\(snapshots)/\(name)", fileSystem)
            removed.append("\(snapshots)/\(name)")
        }
        if try fileSystem.list(snapshots).isEmpty { try fileSystem.removeDirectory(snapshots) }
        return removed
    }

    private func kind(_ path: String) throws(SnapshotError) -> FileKind? {
        do throws(FileError) { return try fileSystem.kind(path) } catch { throw .file(error) }
    }
}

/// What a snapshot is, and how large.
package struct SnapshotFacts: Sendable, Equatable {
    package let name: String
    package let keyspace: String
    package let table: String
    package let folder: String
    /// When it was made, in microseconds since 1970; nil if its manifest doesn't say.
    package var createdAt: Int64?
    /// The bytes of its files, and of those among them that are no table's any more.
    package var size = 0
    package var ownSize = 0

    init(name: String, keyspace: String, table: String, folder: String) {
        self.name = name
        self.keyspace = keyspace
        self.table = table
        self.folder = folder
    }
}

/// A snapshot could not be made, listed or taken away.
package enum SnapshotError: Error, Sendable, Equatable, CustomStringConvertible {
    case exists(String, keyspace: String, table: String)
    case file(FileError)

    package var description: String {
        switch self {
        case .exists(let name, let keyspace, let table):
            "\(keyspace).\(table) has a snapshot \"\(name)\" already; choose another name or clear it"
        case .file(let error): error.description
        }
    }
}
