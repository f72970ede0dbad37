// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// Turns one file's records into batches of rows.
final class FileImport {
    /// What a batch ended with.
    enum Progress: Equatable {
        /// There is more.
        case more
        /// The file is at its end.
        case end
        /// More records are rejected than allowed.
        case tooManyRejects
    }

    private let file: InputFile
    private let options: ImportOptions
    private let table: ImportTable
    private let columns: [ImportColumn]
    private let mapping: FieldMapping
    private let nulls: NullTexts
    private let rejects: RejectFile?
    private let reader: RecordReader
    private var converter: RowConverter
    /// For JSON: the names seen, and the places of the ones that the table lacks.
    private var nameCount = 0
    private var unknownSlots: [Int] = []
    private var slots: [Int]

    /// Opens `file` at `position`.
    ///
    /// The rows will have `columns`, which are columns of `table`.
    init(
        _ file: InputFile,
        environment: Environment,
        options: ImportOptions,
        table: ImportTable,
        columns: [ImportColumn],
        rejects: RejectFile?,
        position: ImportPosition
    ) throws(ImportError) {
        self.file = file
        self.options = options
        self.table = table
        self.columns = columns
        self.rejects = rejects
        mapping = FieldMapping(table)
        nulls = NullTexts(options.nulls)
        slots = Array(repeating: Int.max, count: columns.count)
        let dialect = options.dialect(file.format)
        var fieldCount: Int?
        if file.format == .ndjson {
            reader = try RecordReader(
                try file.open(environment),
                dialect: dialect,
                offset: position.offset,
                line: position.line
            )
        } else {
            let header: [String]
            (reader, header) = try FileImport.openRows(file, environment, options, position)
            let indices = try mapping.columns(
                header,
                file: file.path,
                ignoreUnknown: options.ignoreUnknown
            )
            for (slot, index) in indices.enumerated() {
                guard let index, let place = columns.firstIndex(of: table.columns[index])
                else { continue }
                slots[place] = slot
            }
            fieldCount = header.count
        }
        converter = RowConverter(columns: [], fieldCount: fieldCount, nulls: nulls)
        rebuildConverter(fieldCount)
    }

    /// The reader of a CSV file where reading is to go on, and the names of its fields.
    private static func openRows(
        _ file: InputFile,
        _ environment: Environment,
        _ options: ImportOptions,
        _ position: ImportPosition
    ) throws(ImportError) -> (RecordReader, [String]) {
        let dialect = options.dialect(file.format)
        var header = options.columns
        if header == nil {
            let reader = try RecordReader(try file.open(environment), dialect: dialect)
            header = try reader.header()
            if position.offset == 0 { return (reader, header ?? []) }
        }
        let reader = try RecordReader(
            try file.open(environment),
            dialect: dialect,
            offset: position.offset,
            line: position.line
        )
        return (reader, header ?? [])
    }

    /// How many bytes of the file's size on the disk have been read.
    var consumed: Int { reader.source.consumed }

    private func rebuildConverter(_ fieldCount: Int?) {
        converter = RowConverter(
            columns: zip(columns, slots).map { RowConverter.Column($0, slot: $1) },
            fieldCount: fieldCount,
            nulls: nulls
        )
    }

    /// Fills `batch` from the next records and moves `position` behind them.
    func fill(_ batch: RowBatch, _ position: inout ImportPosition) throws(ImportError) -> Progress {
        var progress = Progress.more
        batch.rows.removeAll()
        while batch.rowCount < options.batchRows {
            let outcome = try reader.next()
            if outcome == .end {
                progress = .end
                break
            }
            position.read += 1
            if let reason = convert(outcome, into: batch) {
                position.rejected += 1
                try rejects?.add(
                    source: file.path,
                    line: reader.recordLine,
                    reason: reason,
                    record: reader.record
                )
                if position.rejected > options.maxRejects {
                    progress = .tooManyRejects
                    break
                }
            } else {
                position.written += 1
            }
        }
        position.offset = reader.offset
        position.line = reader.line
        position.rejectBytes = rejects?.size ?? 0
        return progress
    }

    /// Appends the record as a row, or says what is wrong with it.
    private func convert(_ outcome: RecordReader.Outcome, into batch: RowBatch) -> String? {
        if case .malformed(let reason) = outcome { return reason }
        if file.format == .ndjson {
            if reader.names.count != nameCount { learnNames() }
            for slot in unknownSlots where reader.fields.pointee.kind(slot) != .absent {
                return "the table has no column for the field \"\(reader.names[slot])\""
            }
        }
        return converter.convert(reader.fields.pointee, into: &batch.rows)
    }

    /// Maps the names that JSON objects brought up since last time.
    private func learnNames() {
        while nameCount < reader.names.count {
            let slot = nameCount
            nameCount += 1
            if let index = mapping.column(reader.names[slot]),
                let place = columns.firstIndex(of: table.columns[index]), slots[place] == Int.max
            {
                slots[place] = slot
            } else if !options.ignoreUnknown {
                unknownSlots.append(slot)
            }
        }
        rebuildConverter(nil)
    }
}

extension ImportOptions {
    /// How files of a format are read.
    func dialect(_ format: Format) -> RecordReader.Dialect {
        RecordReader.Dialect(format: format, delimiter: delimiter, quote: quote)
    }
}

extension RecordReader {
    /// The first record of a CSV file as names.
    func header() throws(ImportError) -> [String] {
        guard try next() == .record else {
            throw .usage("\(source.name) has no header row; name its fields with --columns")
        }
        return (0..<fields.pointee.count).map {
            String(decoding: fields.pointee.view($0).buffer, as: UTF8.self).trimmed
        }
    }
}

extension String {
    /// The text without spaces around it.
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
