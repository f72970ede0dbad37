// SPDX-License-Identifier: Apache-2.0

internal import Model

/// `manifest.txt` of a snapshot: which of the tokens each file is live for, for whoever puts them back.
///
///     tholos snapshot 1
///     created MICROSECONDS          since 1970
///     storage UUID                  the table's storage id
///     file NAME FIRST..LAST ...     tokens, both ends included; what it says of others must not be read
struct SnapshotManifest {
    static let fileName = "manifest.txt"
    private static let head = "tholos snapshot 1"

    let createdAt: Int64
    let storageID: UUID
    var files: [(name: String, ranges: [TokenRange])] = []

    init(createdAt: Int64, storageID: UUID) {
        self.createdAt = createdAt
        self.storageID = storageID
    }

    var text: String {
        var lines = [SnapshotManifest.head, "created \(createdAt)", "storage \(storageID)"]
        for file in files {
            let ranges = file.ranges.map { "\($0.first)..\($0.last)" }
            lines.append("file \(file.name) \(ranges.joined(separator: " "))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// When the snapshot was made, from the beginning of the text; nil if that doesn't stand there.
    static func createdAt(_ text: String) -> Int64? {
        let lines = text.split(separator: "\n", maxSplits: 2)
        guard lines.count >= 2, lines[0] == head, lines[1].hasPrefix("created ") else { return nil }
        return Int64(lines[1].dropFirst(8))
    }
}
