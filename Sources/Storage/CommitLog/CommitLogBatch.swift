// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Records that are written together, and who waits for them. Used by the log while it fills and by
/// one background job while it is written, never by both.
final class CommitLogBatch: @unchecked Sendable {  // Owner: the log or its one background job.
    /// A place in the bytes where a new segment begins.
    struct Cut {
        let offset: Int
        let header: RecordLogFormat.Header
    }

    typealias Completion = @Sendable (CommitLogError?) -> Void

    /// What an idle buffer holds on to, in bytes.
    private static let idleCapacity = 64 << 10
    /// For how many waiting completions an idle batch keeps room; each takes 16 bytes.
    private static let idleCompletions = 2048

    var bytes = ByteWriter(capacity: 4096)
    var cuts: [Cut] = []
    var completions: [Completion] = []

    var isEmpty: Bool { bytes.count == 0 }

    /// Forgets the content and keeps the memory.
    func removeAll() {
        bytes.removeAll()
        cuts.removeAll(keepingCapacity: true)
        completions.removeAll(keepingCapacity: true)
    }

    /// Gives memory back that a burst has left, when the log has come to rest.
    func shrink() {
        invariant(isEmpty, "a batch in use cannot shrink")
        if bytes.capacity > CommitLogBatch.idleCapacity { bytes = ByteWriter(capacity: 4096) }
        if completions.capacity > CommitLogBatch.idleCompletions { completions = [] }
    }
}
