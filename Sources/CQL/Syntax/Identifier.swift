// SPDX-License-Identifier: Apache-2.0

/// A name in a statement: folded to lower case unless it was quoted.
package struct Identifier: Sendable {
    /// The name itself, without quotes.
    package let name: String
    /// Where it stands.
    package let position: SourcePosition

    /// The name at `position`.
    package init(_ name: String, at position: SourcePosition) {
        self.name = name
        self.position = position
    }
}

/// A table, type, index, view or function, with the keyspace if the statement names it.
package struct QualifiedName: Sendable {
    /// The keyspace before the dot.
    package let keyspace: Identifier?
    /// The name in it.
    package let name: Identifier

    /// `keyspace.name`, or `name` alone.
    package init(keyspace: Identifier?, name: Identifier) {
        self.keyspace = keyspace
        self.name = name
    }

    /// Where it begins.
    package var position: SourcePosition { (keyspace ?? name).position }
}
