// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// What could be read of a damaged SSTable, and what was lost.
package struct SSTableSalvage: Sendable {
    package let path: String
    /// The file's size in bytes.
    package internal(set) var byteCount = 0
    /// What is wrong outside of data blocks, and with those that can't be read.
    package internal(set) var problems: [StorageError] = []
    /// Why nothing can be read at all, or the output couldn't be written.
    package internal(set) var failure: StorageError?
    /// The runs of keys that can't be read, in order.
    package internal(set) var lost: [LostRun] = []
    /// Data blocks that were read, and what was in them.
    package internal(set) var blockCount = 0
    package internal(set) var entryCount = 0
    package internal(set) var partitionCount = 0
    package internal(set) var rowCount = 0
    /// What the file says that it had; nil when its statistics are damaged.
    package internal(set) var stated: SSTableStatistics?
    /// The table's schema, for showing keys; empty when it is damaged.
    package internal(set) var schema: [UInt8] = []
    /// The new file; nil in a trial.
    package internal(set) var output: SSTableSummary?

    init(path: String) { self.path = path }

    /// Whether there was nothing to salvage.
    package var isSound: Bool { problems.isEmpty && lost.isEmpty && failure == nil }
}

/// A run of keys that can't be read.
package struct LostRun: Sendable, Equatable {
    /// A partition at an end of the run.
    package struct Edge: Sendable, Equatable {
        /// The partition part of its keys.
        package let partition: [UInt8]
        /// Whether some of it is certainly lost; else it may be.
        package let isCertain: Bool
    }

    /// Where it stood in the file.
    package let offset: Int
    package let length: Int
    /// Every lost key is above the last key before the run and below `keys.last`; when the index was
    /// readable, it isn't below `keys.first` either. An empty last key is the end of the file.
    package let keys: KeySpan
    /// How many entries the index says were there; nil when it doesn't know.
    package let entryCount: Int?
    /// The partitions before and behind it of which a part is, or may be, lost as well. Partitions in
    /// between are lost whole.
    package let edges: [Edge]
}

/// A piece of a file's region, as it was found.
struct SalvagePiece {
    /// Its place, trailers included.
    let place: Range<Int>
    /// The block; nil when the piece is lost.
    let block: Block?
    /// What the index says of it; nil when the index is lost too.
    let listed: (separator: [UInt8], entry: IndexEntry)?

    /// A data block that can be read.
    static func block(_ handle: BlockHandle, _ block: Block) -> SalvagePiece {
        SalvagePiece(place: handle.offset..<handle.end, block: block, listed: nil)
    }

    /// Bytes that hold no block that can be found.
    static func lost(_ place: Range<Int>) -> SalvagePiece {
        SalvagePiece(place: place, block: nil, listed: nil)
    }
}
