// SPDX-License-Identifier: Apache-2.0

package import Environment

/// A storage operation failed.
package enum StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file holds something else than what was written to it.
    case corruption(CorruptionError)
    /// The file system refused an operation.
    case file(FileError)
    /// The file is sound, but this version of Tholos can't read it.
    case unsupported(UnsupportedFormatError)
    /// The commit log failed.
    case commitLog(CommitLogError)
    /// An edit of the manifest failed, now or earlier. Whether the one that failed is durable is not
    /// known; later ones did not happen.
    case manifestFailed(FileError)
    /// The manifest is closed.
    case manifestClosed
    /// The work was broken off, since its table was dropped or the node stops.
    case stopped
    /// A block isn't in memory, and the read doesn't wait for the disk: `ShardStore.read` has it read
    /// and tries again.
    case wouldBlock

    package var description: String {
        switch self {
        case .corruption(let error): error.description
        case .file(let error): error.description
        case .unsupported(let error): error.description
        case .commitLog(let error): error.description
        case .manifestFailed(let cause):
            "the manifest has failed and takes no more changes: \(cause); "
                + "repair the disk, then restart the node"
        case .manifestClosed: "the manifest is closed"
        case .stopped: "it was broken off: the table was dropped, or the node stops"
        case .wouldBlock: "a block is not in memory, and this read does not wait for the disk"
        }
    }
}

/// A file holds something else than what was written to it: which bytes, what they should have been,
/// and what to do.
package struct CorruptionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file.
    package let path: String
    /// Where the damaged part starts, in bytes from the file's start.
    package let offset: Int
    /// How long the damaged part is, in bytes; 0 when that isn't known.
    package let length: Int
    /// What should have been there.
    package let expected: String
    /// What was there.
    package let found: String
    /// The keys that the damaged part may hold, if it is known.
    package private(set) var keys: KeySpan?
    /// What a person can do.
    package let advice: String

    /// Damage of `length` bytes at `offset` of the file `path`.
    package init(
        path: String,
        offset: Int,
        length: Int = 0,
        expected: String,
        found: String,
        keys: KeySpan? = nil,
        advice: String = CorruptionError.restoreAdvice
    ) {
        self.path = path
        self.offset = offset
        self.length = length
        self.expected = expected
        self.found = found
        self.keys = keys
        self.advice = advice
    }

    /// What helps with a damaged data file.
    package static let restoreAdvice =
        "restore the file from a snapshot or a replica; 'tholos sstable verify' lists all damage"

    /// The same error with the keys that are concerned.
    package func with(keys: KeySpan) -> CorruptionError {
        var copy = self
        copy.keys = keys
        return copy
    }

    package var description: String {
        let place = length > 0 ? "offset \(offset), \(length) bytes" : "offset \(offset)"
        let whose = keys.map { ", keys \($0)" } ?? ""
        return "damaged file \(path) (\(place)\(whose)): expected \(expected), found \(found); "
            + advice
    }
}

/// A run of keys of an SSTable: none below `first`, none above `last`.
///
/// Both may be shorter than keys are: what an index needs to tell blocks apart.
package struct KeySpan: Equatable, Sendable, CustomStringConvertible {
    package let first: [UInt8]
    package let last: [UInt8]

    package init(first: [UInt8], last: [UInt8]) {
        self.first = first
        self.last = last
    }

    package var description: String { "\(KeySpan.hex(first)) to \(KeySpan.hex(last))" }

    /// At most 64 bytes in hexadecimal, with an ellipsis for the rest.
    private static func hex(_ key: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in key.prefix(64) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self) + (key.count > 64 ? "…" : "")
    }
}

/// A file was written by a newer Tholos or uses a feature that this one doesn't know.
package struct UnsupportedFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file.
    package let path: String
    /// What isn't known here, as a noun.
    package let feature: String
    /// What this version reads.
    package let supported: String

    package init(path: String, feature: String, supported: String) {
        self.path = path
        self.feature = feature
        self.supported = supported
    }

    package var description: String {
        "cannot read \(path): it has \(feature), this version reads \(supported); "
            + "use the version of Tholos that wrote it, or a newer one"
    }
}
