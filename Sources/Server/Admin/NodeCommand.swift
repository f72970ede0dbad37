// SPDX-License-Identifier: Apache-2.0

import AdminProtocol

/// A command of the admin port.
struct NodeCommand: Sendable {
    typealias Body = @Sendable (
        AdminArguments, AdminContext
    ) async throws(AdminFailure) -> any Encodable & Sendable

    let description: AdminCommandDescription
    let run: Body

    init(
        _ name: String,
        _ meaning: String,
        _ arguments: [AdminCommandDescription.Argument] = [],
        _ run: @escaping Body
    ) {
        description = AdminCommandDescription(name: name, meaning: meaning, arguments: arguments)
        self.run = run
    }

    /// Every command, by name.
    static let all = (tableCommands + nodeCommands + clusterCommands + snapshotCommands).sorted {
        $0.description.name < $1.description.name
    }

    /// Arguments that several have.
    static let keyspace = AdminCommandDescription.Argument(
        "keyspace",
        .text,
        "Only this keyspace; without it, all."
    )
    static let tables = AdminCommandDescription.Argument(
        "tables",
        .texts,
        "Only these tables of the keyspace."
    )
}
