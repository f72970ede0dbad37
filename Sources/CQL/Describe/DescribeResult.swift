// SPDX-License-Identifier: Apache-2.0

/// What `DESCRIBE CLUSTER` tells.
package struct ClusterDescription: Equatable, Sendable {
    /// The name of the cluster.
    package var name: String
    /// The partitioner, such as `Murmur3Partitioner`.
    package var partitioner: String
    /// The snitch, such as `SimpleSnitch`.
    package var snitch: String
    /// For each range's end token the addresses of its replicas; of the current keyspace, if it is
    /// a user's.
    package var rangeOwnership: [String: [String]]

    /// The description of a cluster.
    package init(
        name: String,
        partitioner: String,
        snitch: String,
        rangeOwnership: [String: [String]] = [:]
    ) {
        self.name = name
        self.partitioner = partitioner
        self.snitch = snitch
        self.rangeOwnership = rangeOwnership
    }
}

/// One keyspace or table of a DESCRIBE's answer. Names are quoted if they need it.
package struct DescribedElement: Equatable, Sendable {
    /// `keyspace_name`.
    package let keyspace: String
    /// `type`: `keyspace` or `table`.
    package let type: String
    /// `name`.
    package let name: String
    /// `create_statement`; nil where only names are listed.
    package let createStatement: String?
}

/// The answer to a DESCRIBE: rows of the table `system.describe`, all columns text.
package enum DescribeResult: Equatable, Sendable {
    /// Rows of `keyspace_name`, `type`, `name`.
    case names([DescribedElement])
    /// Rows of `keyspace_name`, `type`, `name`, `create_statement`.
    case statements([DescribedElement])
    /// One row of `cluster`, `partitioner`, `snitch` and, if `withRanges`, `range_ownership`, a
    /// map<text, list<text>>.
    case cluster(ClusterDescription, withRanges: Bool)
}

/// Something that a DESCRIBE names and that isn't there: an invalid request for the client.
package struct DescribeError: Error, Equatable, CustomStringConvertible {
    /// What is missing.
    package let message: String

    package var description: String { message }
}
