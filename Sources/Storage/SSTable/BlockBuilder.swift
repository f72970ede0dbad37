// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Builds the content of a data or index block; `BlockCursor` reads it.
///
///     content = entry* restart-offset (4)* restart-count (4)
///     entry   = shared (varint) unshared (varint) value-count (varint) key-suffix value
///
/// `shared` is how many bytes an entry's key has in common with the key before it; at a restart point
/// (each `restartInterval` entries) it is 0, so that a search can begin there.
struct BlockBuilder: ~Copyable {
    private var content: ByteWriter
    private var restarts: [UInt32] = []
    private let restartInterval: Int
    private var untilRestart = 0
    /// The number of entries.
    private(set) var entryCount = 0

    init(restartInterval: Int, capacity: Int) {
        self.restartInterval = restartInterval
        content = ByteWriter(capacity: capacity)
    }

    var isEmpty: Bool { entryCount == 0 }

    /// The size of the content if the block were closed now, in bytes.
    var count: Int { content.count + 4 * restarts.count + 4 }

    /// Appends an entry; `shared` is the common prefix with the key before it, which the caller knows.
    mutating func append(key: ByteView, shared: Int, value: ByteView) {
        var shared = shared
        if untilRestart == 0 {
            restarts.append(UInt32(truncatingIfNeeded: content.count))
            untilRestart = restartInterval
            shared = 0
        }
        untilRestart -= 1
        entryCount += 1
        let unshared = key.count - shared
        content.reserve(3 * Varint.lengthMax + unshared + value.count)
        content.appendVarint(shared)
        content.appendVarint(unshared)
        content.appendVarint(value.count)
        content.append(ByteView(key.base + shared, count: unshared))
        content.append(value)
    }

    /// Appends the restart points and gives the finished content, valid until the next change.
    mutating func finish() -> ByteView {
        for restart in restarts { content.appendLittleEndian(restart) }
        content.appendLittleEndian(UInt32(truncatingIfNeeded: restarts.count))
        return content.view
    }

    /// Starts the next block in the same memory.
    mutating func removeAll() {
        content.removeAll()
        restarts.removeAll(keepingCapacity: true)
        untilRestart = 0
        entryCount = 0
    }
}
