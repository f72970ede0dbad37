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
            if files.count > 1, !options.isJSON { output.line("# \(path)") }
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
        if options.key.isEmpty {
            try cursor.seekToFirst()
        } else {
            do {
                prefix = try keys.partitionPrefix(options.key)
            } catch {
                hasUsageError = true
                let errors = ReportOutput(descriptor: 2)
                errors.line("tholos sstable dump: \(error)")
                errors.flush()
                return false
            }
            try prefix.withView { (view) throws(StorageError) in try cursor.seek(atOrAfter: view) }
        }
        var isSound = true
        var left = options.limit ?? Int.max
        var partition: [UInt8] = []
        while cursor.isValid, left > 0, prefix.withView({ cursor.key.hasPrefix($0) }) {
            left -= 1
            do throws(MalformedBytes) {
                try showEntry(cursor, keys, &partition)
            } catch {
                isSound = false
                output.line("# can't decode an entry: \(error)")
                showRaw(cursor)
            }
            try cursor.next()
        }
        return isSound
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
