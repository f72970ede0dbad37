// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
package import Model

/// What a schema statement does: the edits, and what clients are told of them.
package struct SchemaPlan: Sendable {
    /// What goes to the metadata log; nothing when `IF [NOT] EXISTS` had nothing to do.
    package let edits: [SchemaEdit]
    /// What clients that registered for it hear; nil when the statement is answered with nothing
    /// (`TRUNCATE`, or no edits).
    package let change: SchemaNotice?
    /// Sentences for the client, sent with the answer.
    package let warnings: [String]

    package init(edits: [SchemaEdit], change: SchemaNotice?, warnings: [String] = []) {
        self.edits = edits
        self.change = change
        self.warnings = warnings
    }

    /// Nothing to do.
    static let nothing = SchemaPlan(edits: [], change: nil)
}
