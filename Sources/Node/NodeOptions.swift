// SPDX-License-Identifier: Apache-2.0

package import Storage

/// The settings of a node's engine.
package struct NodeOptions: Sendable {
    /// The node's data folder.
    package var dataDirectory: String
    package var shardCount: Int
    /// The high bits of a token that are ignored when its shard is looked up (`ShardMap`).
    package var ignoredTokenBits = 0
    /// What each shard's store gets.
    package var store = StoreOptions()
    package var commitLog = CommitLogOptions()
    /// The bytes of edits after which the manifest is written anew.
    package var manifestRewriteSize = 4 << 20

    package init(dataDirectory: String, shardCount: Int) {
        self.dataDirectory = dataDirectory
        self.shardCount = shardCount
    }
}

/// A node can't be opened or can't go on.
package enum NodeError: Error, Sendable, CustomStringConvertible {
    case storage(StorageError)
    /// Another process has the data folder open.
    case inUse(String)

    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .inUse(let path):
            "the data folder \(path) is in use by another Tholos process; stop it, or name another"
                + " folder"
        }
    }
}
