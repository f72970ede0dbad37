// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// How far an import has come: everything before this place is written or rejected.
struct ImportPosition: Equatable, Sendable {
    /// Which of the files is being read.
    var file = 0
    /// Where its next record begins, in decompressed bytes, and on which line.
    var offset = 0
    var line = 1
    /// Records so far, over all files.
    var read = 0
    var written = 0
    var rejected = 0
    /// How many bytes of the reject file stand for `rejected`.
    var rejectBytes = 0
}

/// What is kept on the disk so that an interrupted import goes on where it stopped.
///
/// A text of lines, each a name and its values; the last line is the checksum of those before it.
struct ImportState: Equatable, Sendable {
    /// The table, the target and the arguments that say how the input is read.
    let arguments: String
    let files: [FileIdentity]
    let position: ImportPosition

    private static let title = "tholos-import-state 1"

    /// The text that is written.
    var text: String {
        var lines = [ImportState.title, "arguments \(arguments)"]
        for file in files {
            lines.append("file \(file.size) \(file.checksum) \(file.path)")
        }
        let p = position
        lines.append("at \(p.file) \(p.offset) \(p.line)")
        lines.append("counts \(p.read) \(p.written) \(p.rejected) \(p.rejectBytes)")
        let body = lines.joined(separator: "\n") + "\n"
        return body + "checksum \(ImportState.checksum(body))\n"
    }

    private static func checksum(_ body: String) -> UInt64 {
        Array(body.utf8).withView { Checksum.xxh3($0) }
    }

    init(arguments: String, files: [FileIdentity], position: ImportPosition) {
        self.arguments = arguments
        self.files = files
        self.position = position
    }

    /// The state of a text; nil when it is damaged or something else.
    init?(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.popLast() == "", let last = lines.popLast() else { return nil }
        let body = lines.joined(separator: "\n") + "\n"
        guard last == "checksum \(ImportState.checksum(body))" else { return nil }
        guard lines.count >= 4, lines[0] == ImportState.title[...],
            lines[1].hasPrefix("arguments ")
        else { return nil }
        arguments = String(lines[1].dropFirst("arguments ".count))
        let at = lines[lines.count - 2].split(separator: " ")
        let counts = lines[lines.count - 1].split(separator: " ")
        guard at.first == "at", counts.first == "counts" else { return nil }
        let numbers = (at.dropFirst() + counts.dropFirst()).compactMap { Int($0) }
        guard numbers.count == 7 else { return nil }
        position = ImportPosition(
            file: numbers[0],
            offset: numbers[1],
            line: numbers[2],
            read: numbers[3],
            written: numbers[4],
            rejected: numbers[5],
            rejectBytes: numbers[6]
        )
        var files: [FileIdentity] = []
        for line in lines[2..<(lines.count - 2)] {
            let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, parts[0] == "file", let size = Int(parts[1]),
                let checksum = UInt64(parts[2])
            else { return nil }
            files.append(FileIdentity(path: String(parts[3]), size: size, checksum: checksum))
        }
        self.files = files
    }
}
