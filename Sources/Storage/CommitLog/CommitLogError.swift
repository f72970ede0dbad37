// SPDX-License-Identifier: Apache-2.0

package import Environment

/// The commit log did not take a record, or does not know whether it is durable.
package enum CommitLogError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A write or sync failed. It is not known what of the records that were not acknowledged is
    /// durable, and the log takes no more: after a failed sync, a second one proves nothing.
    case failed(FileError)
    /// The disk is full. It is not known whether the record, which was not acknowledged, is durable; the
    /// log goes on with the next.
    case noRoom(FileError)
    /// The payload is above the limit, both in bytes. Nothing was written.
    case tooLarge(size: Int, limit: Int)
    /// The log is closed. Nothing was written.
    case closed

    package var description: String {
        switch self {
        case .failed(let cause):
            "the commit log has failed and takes no more writes: \(cause); "
                + "repair the disk, then restart the node"
        case .noRoom(let cause):
            "the commit log has no room for the write, which may or may not be kept: \(cause); "
                + "writes go on by themselves when there is some"
        case .tooLarge(let size, let limit):
            "a write of \(size) bytes is above the commit log's limit of \(limit) bytes "
                + "(half a segment); write less at once or raise the segment size"
        case .closed: "the commit log is closed"
        }
    }
}
