// SPDX-License-Identifier: Apache-2.0

/// `SELECT … FROM …`.
package struct SelectStatement: Sendable {
    /// One thing that is selected.
    package struct Selector: Sendable {
        /// What it is.
        package let term: Term
        /// The name after `AS`.
        package let alias: Identifier?
    }

    /// One part of an `ORDER BY`.
    package struct Ordering: Sendable {
        /// The column.
        package let column: Identifier
        /// Whether `DESC` was said.
        package let isDescending: Bool
        /// The vector of `ANN OF`, by distance from which rows are ordered.
        package let nearest: Term?
    }

    /// Whether each row is wanted as JSON text.
    package var isJSON = false
    /// Whether `DISTINCT` was said.
    package var isDistinct = false
    /// What is selected; empty for `*`.
    package var selectors: [Selector] = []
    /// The table.
    package var table: QualifiedName
    /// The relations after `WHERE`, all of which hold.
    package var relations: [Relation] = []
    /// What rows are grouped by: columns or calls.
    package var groupBy: [Term] = []
    /// In which order rows come.
    package var orderBy: [Ordering] = []
    /// How many rows of a partition come at most: an integer or a marker.
    package var perPartitionLimit: Term?
    /// How many rows come at most: an integer or a marker.
    package var limit: Term?
    /// Whether `ALLOW FILTERING` was said.
    package var allowsFiltering = false
    /// Whether `BYPASS CACHE` was said.
    package var bypassesCache = false
    /// `USING TIMEOUT`.
    package var using = UsingClause()

    /// A selection of all of `table`.
    package init(table: QualifiedName) {
        self.table = table
    }
}
