// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
internal import Model
internal import Storage

/// `tholos sstable dump`: the entries of files.
package final class DumpReport {
    /// What is shown, and how.
    package struct Options {
        /// The values of one partition key; empty for all partitions.
        package var key: [String] = []
        /// At most so many entries of each file.
        package var limit: Int?
        package var isRaw = false
        package var isJSON = false

        package init() {}
    }

    private let fileSystem: any FileSystem
    private let output: ReportOutput
    private let options: Options
    private let opening: SSTableOpening
    /// The line above a file's entries, until the first of them is shown.
    private var title: String?
    /// Whether the key that was asked for isn't one of the table.
    package private(set) var hasUsageError = false

    package init(fileSystem: any FileSystem, output: ReportOutput, options: Options) {
        self.fileSystem = fileSystem
        self.output = output
        self.options = options
        opening = SSTableOpening(fileSystem: fileSystem, output: output, isJSON: options.isJSON)
    }

    /// Shows `files`; false when one is damaged or can't be read.
    package func run(_ files: [String]) -> Bool {
        var isSound = true
        for path in files {
            guard let reader = opening.open(path, isSound: &isSound) else { continue }
            title = files.count > 1 && !options.isJSON ? "# \(path)" : nil
            do throws(StorageError) {
                isSound = try show(reader) && isSound
            } catch {
                isSound = false
                opening.report(path, error)
            }
            if hasUsageError { return false }
        }
        return isSound
    }

    /// Shows one file; false when an entry can't be decoded.
    private func show(_ reader: SSTableReader) throws(StorageError) -> Bool {
        let keys = KeyText(reader)
        let cursor = SSTableCursor(reader, source: SequentialBlocks())
        var prefix: [UInt8] = []
        if !options.key.isEmpty {
            do {
                prefix = try keys.partitionPrefix(options.key)
            } catch {
                hasUsageError = true
                let errors = ReportOutput(descriptor: 2)
                errors.line("tholos sstable dump: \(error)")
                errors.flush()
                return false
            }
        }
        var isSound = true
        try move(cursor, &isSound) { () throws(StorageError) in
            try prefix.withView { (view) throws(StorageError) in try cursor.seek(atOrAfter: view) }
        }
        var left = options.limit ?? Int.max
        var partition: [UInt8] = []
        while cursor.isValid, left > 0, prefix.withView({ cursor.key.hasPrefix($0) }) {
            left -= 1
            if let title { output.line(title) }
            title = nil
            do throws(MalformedBytes) {
                try showEntry(cursor, keys, &partition)
            } catch {
                isSound = false
                output.line("# can't decode an entry: \(error)")
                showRaw(cursor)
            }
            try move(cursor, &isSound) { () throws(StorageError) in try cursor.next() }
        }
        return isSound
    }

    /// Moves the cursor; reports a damaged block that is in its way and goes on behind it.
    private func move(
        _ cursor: SSTableCursor,
        _ isSound: inout Bool,
        _ body: () throws(StorageError) -> Void
    ) throws(StorageError) {
        var offset = -1
        var behind: [UInt8]?
        while true {
            do throws(StorageError) {
                guard let key = behind else { return try body() }
                return try key.withView { (key) throws(StorageError) in
                    try cursor.seek(atOrAfter: key)
                }
            } catch {
                guard case .corruption(let corruption) = error, let keys = corruption.keys else {
                    throw error
                }
                // Blocks come in the order of keys. Again the same one: it is the last.
                guard corruption.offset > offset else { return }
                isSound = false
                opening.report(cursor.reader.path, error)
                offset = corruption.offset
                behind = keys.last
            }
        }
    }

    private func showEntry(
        _ cursor: SSTableCursor,
        _ keys: KeyText,
        _ partition: inout [UInt8]
    ) throws(MalformedBytes) {
        if options.isRaw { return showRaw(cursor) }
        let entry = try DumpEntry(cursor.key, cursor.value, keys)
        if options.isJSON { return output.line(entry.json.line) }
        let current = Key.partition(of: cursor.key)
        if !partition.withView({ $0.equals(current) }) {
            partition = current.array
            output.line(entry.partitionLine)
        }
        for line in entry.lines { output.line("  " + line) }
    }

    private func showRaw(_ cursor: SSTableCursor) {
        let key = Hexadecimal.text(cursor.key.array)
        let value = Hexadecimal.text(cursor.value.array)
        guard options.isJSON else { return output.line("\(key) \(value)") }
        output.line(JSON.object([("key", .text(key)), ("value", .text(value))]).line)
    }
}
