// SPDX-License-Identifier: Apache-2.0

package import Model

/// A write was refused or its fate is not known.
package enum WriteError: Error, Sendable, CustomStringConvertible {
    /// The table was dropped or truncated since the write was planned. Nothing was written.
    case unknownTable(UUID)
    /// The mutation is larger than the limit. Nothing was written.
    case tooLarge(size: Int, limit: Int)
    /// The commit log failed; whether the write is durable is not known.
    case commitLog(CommitLogError)
    /// Memtables are full because they can't be flushed. Nothing was written.
    case flushFailing(StorageError)
    /// The disk is full, so only deletions are taken. Nothing was written.
    case diskFull(path: String, reserve: Int)
    /// The node was drained. Nothing was written.
    case drained
    /// The store is closed or closing. Nothing was written.
    case closed

    package var description: String {
        switch self {
        case .unknownTable(let id): "the table with the data \(id) doesn't exist any more"
        case .tooLarge(let size, let limit):
            "a mutation of \(size) bytes is above the limit of \(limit) bytes; write less at once"
        case .commitLog(let error): error.description
        case .flushFailing(let cause):
            "the memtables are full and can't be flushed: \(cause); writes go on when a flush succeeds"
        case .diskFull(let path, let reserve):
            "the disk of \(path) is full (disk_reserve: \(reserve) bytes): only deletions and reads are"
                + " served; free some space, and writes go on by themselves"
        case .drained:
            "the node was drained ('tholos admin drain'): it takes no writes until it is started again"
        case .closed: "the node is shutting down"
        }
    }
}
