// SPDX-License-Identifier: Apache-2.0

package import Model

/// A data type as a statement writes it: names of user types aren't looked up yet.
package struct TypeReference: Sendable {
    /// What a type may be.
    package indirect enum Form: Sendable {
        /// A scalar type, such as `int`.
        case scalar(CQLType)
        case list(TypeReference)
        case set(TypeReference)
        case map(TypeReference, TypeReference)
        case tuple([TypeReference])
        /// So many elements of a type, all of them present.
        case vector(TypeReference, dimension: Literal)
        case frozen(TypeReference)
        /// A user type.
        case named(QualifiedName)
        /// A quoted Java class, such as `'org.apache.cassandra.db.marshal.Int32Type'`.
        case custom(String)
    }

    /// What it is.
    package let form: Form
    /// Where it begins.
    package let position: SourcePosition

    /// A type that begins at `position`.
    package init(_ form: Form, at position: SourcePosition) {
        self.form = form
        self.position = position
    }
}
