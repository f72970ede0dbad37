// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// The files of a manifest: finds the one that counts, reads it, and switches to a new one.
struct ManifestStore {
    let directory: String
    let fileSystem: any FileSystem

    /// The largest record of a snapshot, in bytes, about.
    private static let snapshotRecordSize = 64 << 10

    /// What `load` found.
    struct Loaded {
        var state = ManifestState()
        /// The number of the manifest that counts; 0 without one.
        var number: UInt64 = 0
        var tornTail: CommitLogReplay.TornTail?
    }

    private var currentPath: String { FilePath.join(directory, "CURRENT") }

    private func path(_ number: UInt64) -> String {
        FilePath.join(directory, "MANIFEST-\(number)")
    }

    // MARK: Loading

    /// The state that the manifest tells; an empty one if there never was a manifest.
    func load() throws(StorageError) -> Loaded {
        guard let (number, durable) = try readCurrent() else { return Loaded() }
        var loaded = Loaded()
        loaded.number = number
        let path = path(number)
        let contents = try FileContents(fileSystem, path: path)
        let reader = RecordLogReader(
            path: path,
            kind: .manifest,
            segment: number,
            mayBeTorn: true,
            durable: durable
        )
        let summary = try reader.read(contents.view) { (offset, payload) throws(StorageError) in
            do throws(MalformedBytes) {
                _ = loaded.state.apply(try ManifestEdit.readAll(payload))
            } catch {
                // The checksum is right, so a newer version wrote it.
                throw .unsupported(
                    UnsupportedFormatError(
                        path: path,
                        feature: "an unknown edit in the record at offset \(offset)",
                        supported: "the edits of version \(RecordLogFormat.version)"
                    )
                )
            }
        }
        if let offset = summary.tornTail {
            let length = contents.view.count - offset
            loaded.tornTail = CommitLogReplay.TornTail(path: path, offset: offset, length: length)
        }
        return loaded
    }

    /// The number of the manifest that counts, and how many of its bytes are certainly durable; nil
    /// if there never was one.
    private func readCurrent() throws(StorageError) -> (UInt64, Int)? {
        let exists: Bool
        let manifests: [UInt64]
        do throws(FileError) {
            try fileSystem.createDirectoryDurably(directory)
            exists = try fileSystem.kind(currentPath) != nil
            manifests = try numbers()
        } catch {
            throw .file(error)
        }
        guard exists else {
            // The first manifest may have been written without ever having counted.
            guard manifests.allSatisfy({ $0 == 1 }) else {
                throw corruptCurrent("a file that says which manifest counts", "none")
            }
            return nil
        }
        let contents = try FileContents(fileSystem, path: currentPath, sizeMax: 4096)
        guard let current = ManifestStore.parse(contents.view) else {
            throw corruptCurrent(
                "the name of a manifest, its length and a checksum",
                "\(contents.view.count) bytes of something else"
            )
        }
        return current
    }

    private func corruptCurrent(_ expected: String, _ found: String) -> StorageError {
        .corruption(
            CorruptionError(
                path: currentPath,
                offset: 0,
                expected: expected,
                found: found,
                advice: "restore the data folder from a backup or snapshot"
            )
        )
    }

    /// The content of `CURRENT`: `MANIFEST-N LENGTH CHECKSUM` and a line feed, in decimal.
    private static func text(_ number: UInt64, _ length: Int) -> [UInt8] {
        let start = Array("MANIFEST-\(number) \(length) ".utf8)
        let checksum = start.withView { Checksum.xxh3($0) }
        return start + Array("\(checksum)\n".utf8)
    }

    private static func parse(_ view: ByteView) -> (UInt64, Int)? {
        let words = String(decoding: view.buffer, as: UTF8.self).split(separator: " ")
        guard words.count == 3, words[0].hasPrefix("MANIFEST-"),
            let number = UInt64(words[0].dropFirst(9)), let length = Int(words[1]),
            text(number, length) == view.array
        else { return nil }
        return (number, length)
    }

    // MARK: Switching

    /// Writes a manifest that begins with `state` and makes it the one that counts. On an error, either
    /// it or the one before counts.
    func writeSnapshot(
        _ state: ManifestState,
        _ header: RecordLogFormat.Header
    ) throws(FileError) -> RecordLogWriter {
        let log = try RecordLogWriter(
            fileSystem: fileSystem,
            path: path(header.segment),
            header: header
        )
        do throws(FileError) {
            var edits = state.snapshot[...]
            while !edits.isEmpty {
                try log.append { writer in
                    while writer.count < ManifestStore.snapshotRecordSize,
                        let edit = edits.popFirst()
                    {
                        edit.append(to: &writer)
                    }
                }
            }
            try log.sync()
            try fileSystem.syncDirectory(directory)
            try fileSystem.replaceDurably(
                currentPath,
                with: ManifestStore.text(header.segment, log.size)
            )
        } catch {
            log.close()
            throw error
        }
        return log
    }

    /// Removes all manifests but one. What can't be removed is tried again the next time.
    func removeOthers(than number: UInt64) {
        do throws(FileError) {
            for other in try numbers() where other != number { try fileSystem.remove(path(other)) }
        } catch {
            return
        }
    }

    private func numbers() throws(FileError) -> [UInt64] {
        try fileSystem.list(directory).compactMap { name in
            name.hasPrefix("MANIFEST-") ? UInt64(name.dropFirst(9)) : nil
        }
    }
}
