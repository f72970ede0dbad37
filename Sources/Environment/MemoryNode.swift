// SPDX-License-Identifier: Apache-2.0

/// A file of a `MemoryFileSystem`. Guarded by its file system's lock.
final class MemoryFileNode {
    var bytes: [UInt8]
    /// How many of the bytes, from the start, are durable.
    var synced: Int
    /// How many names lead to it: only with one does it take up space.
    var linkCount = 1

    init(bytes: [UInt8] = [], synced: Int = 0) {
        self.bytes = bytes
        self.synced = synced
    }
}

/// A folder of a `MemoryFileSystem`. Guarded by its file system's lock.
final class MemoryDirectoryNode {
    /// What programs see.
    var entries: [String: MemoryNode] = [:]
    /// What is left after a power loss.
    var durable: [String: MemoryNode] = [:]
}

/// What a name leads to.
enum MemoryNode {
    case file(MemoryFileNode)
    case directory(MemoryDirectoryNode)
}

/// A change of folder entries that no `syncDirectory` has made durable yet. It happens as a whole or
/// not at all.
struct MemoryPendingChange {
    /// Each sets (or with nil removes) one name in one folder.
    let steps: [(folder: MemoryDirectoryNode, name: String, node: MemoryNode?)]

    func touches(_ folder: MemoryDirectoryNode) -> Bool { steps.contains { $0.folder === folder } }

    func applyToDurable() {
        for step in steps { step.folder.durable[step.name] = step.node }
    }
}
