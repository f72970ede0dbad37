// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import CQL
internal import Environment
import Foundation
import Model
internal import Node
import Storage

/// Snapshots: made, listed, taken away.
extension NodeCommand {
    private static let keyspaces = AdminCommandDescription.Argument(
        "keyspaces",
        .texts,
        "Only these keyspaces; without it, all."
    )

    static let snapshotCommands = [
        NodeCommand(
            "snapshot",
            "Flush tables and keep their SSTables under a name.",
            [
                .init("name", .text, "What it is called; without it, the time in milliseconds."),
                keyspaces,
                .init("tables", .texts, "Only these tables of the one keyspace that is named."),
            ]
        ) { (arguments, context) throws(AdminFailure) in try await take(arguments, context) },
        NodeCommand("listsnapshots", "The snapshots that there are.") {
            (_, context) throws(AdminFailure) in
            SnapshotList(snapshots: try await context.snapshots().map { entry($0) })
        },
        NodeCommand(
            "clearsnapshot",
            "Take snapshots away.",
            [
                .init("name", .text, "Those of this name; give it or all."),
                .init("all", .flag, "Those of any name."),
                keyspaces,
            ]
        ) { (arguments, context) throws(AdminFailure) in try await clear(arguments, context) },
    ]

    private static func take(
        _ arguments: AdminArguments,
        _ context: AdminContext
    ) async throws(AdminFailure) -> SnapshotMade {
        let milliseconds = context.node.environment.clock.microsecondsSinceEpoch() / 1000
        let name = arguments.text("name") ?? String(milliseconds)
        try check(name)
        let (keyspaces, names) = (arguments.texts("keyspaces"), arguments.texts("tables"))
        if !names.isEmpty, keyspaces.count != 1 {
            throw AdminFailure(
                .badRequest,
                "tables need one keyspace; \(keyspaces.count) are given"
            )
        }
        var tables: [TableSchema] = []
        if keyspaces.isEmpty { tables = try context.tables(keyspace: nil) }
        for keyspace in Set(keyspaces).sorted() {
            tables += try context.tables(keyspace: keyspace, names: names)
        }
        let parts = tables.map { Snapshots.Table(schema: $0, statements: statements(of: $0)) }
        let error = await withCheckedContinuation { continuation in
            context.node.takeSnapshot(name, of: parts) { continuation.resume(returning: $0) }
        }
        if case .snapshot(.exists) = error { throw AdminFailure(.badRequest, "\(error.map { "\($0)" } ?? "")") }
        if let error { throw AdminFailure(.failed, error.description) }
        return SnapshotMade(name: name, tables: tables.map { "\($0.keyspace).\($0.name)" })
    }

    /// What makes a table that can take the files.
    private static func statements(of table: TableSchema) -> String {
        let all =
            [SchemaText.table(table, withInternals: true)]
            + table.indexes.sorted { $0.name < $1.name }.map { SchemaText.index($0, of: table) }
        return all.joined(separator: "\n") + "\n"
    }

    private static func check(_ name: String) throws(AdminFailure) {
        guard !Snapshots.isName(name) else { return }
        throw AdminFailure(
            .badRequest,
            "\(AdminService.quoted(name)) can't be a snapshot's name: it is made of 1 to 128 letters, "
                + "digits, \"-\", \"_\" and \".\", and begins with another than \".\""
        )
    }

    private static func clear(
        _ arguments: AdminArguments,
        _ context: AdminContext
    ) async throws(AdminFailure) -> SnapshotList {
        let name = arguments.text("name")
        let isAll = arguments.flag("all", default: false)
        guard (name == nil) == isAll else {
            throw AdminFailure(
                .badRequest,
                "clearsnapshot takes a name, or all: true for snapshots of any name"
            )
        }
        if let name { try check(name) }
        let keyspaces = Set(arguments.texts("keyspaces"))
        let cleared = try await context.onSnapshots { (snapshots) throws(SnapshotError) in
            try snapshots.clear(name, keyspaces: keyspaces.isEmpty ? nil : keyspaces)
        }
        if let name, cleared.isEmpty {
            let names = Set(try await context.snapshots().map(\.name)).sorted().joined(separator: ", ")
            throw AdminFailure(
                .badRequest,
                "there is no snapshot \(AdminService.quoted(name))"
                    + (keyspaces.isEmpty ? "" : " of \(keyspaces.sorted().joined(separator: ", "))")
                    + (names.isEmpty ? "; there are none" : "; there are: \(names)")
            )
        }
        return SnapshotList(snapshots: cleared.map { entry($0) })
    }

    private static func entry(_ facts: SnapshotFacts) -> SnapshotList.Snapshot {
        let created = facts.createdAt.map { microseconds in
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            return Date(timeIntervalSince1970: Double(microseconds) / 1e6).formatted(style)
        }
        return SnapshotList.Snapshot(
            name: facts.name,
            keyspace: facts.keyspace,
            table: facts.table,
            ownSize: facts.ownSize,
            size: facts.size,
            createdAt: created,
            folder: facts.folder
        )
    }
}

extension AdminContext {
    /// All snapshots.
    func snapshots() async throws(AdminFailure) -> [SnapshotFacts] {
        try await onSnapshots { (snapshots) throws(SnapshotError) in try snapshots.list() }
    }

    /// Runs `body` on a background thread.
    func onSnapshots<R: Sendable>(
        _ body: @escaping @Sendable (Snapshots) throws(SnapshotError) -> R
    ) async throws(AdminFailure) -> R {
        let result = await withCheckedContinuation { continuation in
            node.environment.background.execute { [snapshots = node.snapshots] in
                continuation.resume(
                    returning: Result { () throws(SnapshotError) in try body(snapshots) }
                )
            }
        }
        do throws(SnapshotError) {
            return try result.get()
        } catch {
            throw AdminFailure(.failed, error.description)
        }
    }
}
