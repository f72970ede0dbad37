// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
package import Model

/// What a person can set in a session.
package struct ShellSettings: Sendable {
    /// What statements without a keyspace of their own use.
    package var keyspace: String?
    package var consistency: Consistency = .one
    package var serialConsistency: Consistency = .serial
    /// Whether a person is asked before each further page.
    package var isPaging = true
    /// The rows of a page when paging.
    package var pageSize = ShellSettings.pageSizeOnScreen
    package var isExpanded = false
    package var isTraced = false
    package var isTimed = false
    package var format = OutputFormat.table
    /// Whether a script goes on after a statement that failed.
    package var keepsGoing = false

    package init() {}

    /// A page that a person can read.
    static let pageSizeOnScreen = 100
    /// A page when nobody is asked in between.
    static let pageSizeStreaming = 5000
}
