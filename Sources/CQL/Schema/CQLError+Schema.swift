// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

extension CQLError {
    /// An option that can't be as it is said.
    static func configuration(_ message: String) -> CQLError { CQLError(.config, message) }

    /// A property that isn't one, or that isn't of its kind.
    static func property(_ message: String) -> CQLError { CQLError(.syntax, message) }

    /// A keyspace that a statement needs and that isn't there.
    static func missing(keyspace: String) -> CQLError {
        CQLError(.invalid, "Keyspace '\(keyspace)' doesn't exist")
    }

    /// A table that a statement needs and that isn't there.
    static func missing(table: String, of keyspace: String) -> CQLError {
        CQLError(.invalid, "Table '\(keyspace).\(table)' doesn't exist")
    }
}
