// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Glibc

/// Reads a file's records one after the other, and knows which bytes and lines each came from.
package final class RecordReader {
    /// What `next` found.
    package enum Outcome: Equatable {
        /// A record: its fields are in `fields`.
        case record
        /// Bytes that are no record, and why.
        case malformed(String)
        /// Nothing more.
        case end
    }

    /// How to read.
    package struct Dialect: Equatable, Sendable {
        package var format: ImportOptions.Format
        package var delimiter: UInt8
        package var quote: UInt8

        package init(format: ImportOptions.Format, delimiter: UInt8? = nil, quote: UInt8? = nil) {
            self.format = format
            self.delimiter = delimiter ?? (format == .tsv ? 0x09 : UInt8(ascii: ","))
            self.quote = quote ?? 0x22
        }
    }

    /// A record larger than this is taken for one whose closing quote is missing.
    static let recordSizeMax = 16 << 20

    package let source: any ByteSource
    /// The names of a JSON file's fields as they turn up; a field's place in `fields` is its name's.
    package private(set) var names: [String] = []
    /// The line that the record began on, counted from 1.
    package private(set) var recordLine = 1
    /// The line that comes next.
    package private(set) var line = 1

    private let dialect: Dialect
    private let tokenizer: CSVTokenizer
    private var window: UnsafeMutableRawPointer
    private var capacity: Int
    /// The bytes of the window that hold input.
    private var filled = 0
    /// Where in the input the window begins.
    private var windowOffset = 0
    /// Where in the window the record begins, and what comes after it.
    private var recordStart = 0
    private var position = 0
    private var sourceEnded = false
    private var lineEnd: UInt8 = 0x0A
    private var nameIndex: [[UInt8]: Int] = [:]
    private var nameBytes: [[UInt8]] = []
    private var scratch = ByteWriter(capacity: 256)

    /// Begins at `offset` and `line`, which is the start of a record.
    package init(
        _ source: any ByteSource,
        dialect: Dialect,
        offset: Int = 0,
        line: Int = 1
    ) throws(ImportError) {
        self.source = source
        self.dialect = dialect
        tokenizer = try CSVTokenizer(delimiter: dialect.delimiter, quote: dialect.quote)
        capacity = 1 << 20
        window = .allocate(byteCount: capacity, alignment: 16)
        windowOffset = offset
        self.line = line
        if offset > 0 { try source.skip(to: offset) }
        try fill()
        try lookAtStart()
    }

    deinit { window.deallocate() }

    /// The fields of the record; for JSON, one for each of `names`.
    package var fields: UnsafeMutablePointer<FieldList> { tokenizer.fields }

    /// How far the input has been read: where the next record begins.
    package var offset: Int { windowOffset + position }

    /// The record as it was written, without its line end; valid until `next`.
    package var record: ByteView {
        var end = position
        while end > recordStart, RecordReader.isLineEnd(load(end - 1)) { end -= 1 }
        return ByteView(window + recordStart, count: end - recordStart)
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    private func load(_ at: Int) -> UInt8 { window.load(fromByteOffset: at, as: UInt8.self) }

    /// Passes over a byte order mark, and finds out whether lines end with a carriage return alone.
    private func lookAtStart() throws(ImportError) {
        if windowOffset == 0, filled >= 2 {
            let first = (load(0), load(1))
            if first == (0xFF, 0xFE) || first == (0xFE, 0xFF) {
                throw .usage(
                    "\(source.name) is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"
                )
            }
            if filled >= 3, first == (0xEF, 0xBB), load(2) == 0xBF { position = 3 }
        }
        if memchr(window, 0x0A, filled) == nil, memchr(window, 0x0D, filled) != nil {
            lineEnd = 0x0D
        }
    }

    /// Reads the next record; empty lines are passed over.
    package func next() throws(ImportError) -> Outcome {
        recordStart = position
        recordLine = line
        return dialect.format == .ndjson ? try nextObject() : try nextRow()
    }

    // MARK: CSV

    private func nextRow() throws(ImportError) -> Outcome {
        tokenizer.begin()
        while true {
            let end = try findLineEnd()
            if end == position {
                return try finishRow()
            }
            try tokenizer.feed(window + position, count: end - position)
            position = end
            line += 1
            switch tokenizer.rows {
            case 0:
                if tokenizer.isBetweenRecords {
                    recordStart = position
                    recordLine = line
                } else if position - recordStart > RecordReader.recordSizeMax {
                    return resynchronize("is larger than \(RecordReader.recordSizeMax) bytes")
                }
            case 1 where tokenizer.isBetweenRecords:
                return .record
            default:
                tokenizer.reset()
                return .malformed("a carriage return stands inside of the line, outside of quotes")
            }
        }
    }

    /// The input is at its end: nothing is left, or a last line without a line end.
    private func finishRow() throws(ImportError) -> Outcome {
        if position == recordStart { return .end }
        if tokenizer.isInQuotes { return resynchronize("runs to the end of the file") }
        tokenizer.finish()
        return tokenizer.rows == 1 ? .record : .end
    }

    /// Gives up on a record whose quote is not closed: its first line is malformed, and reading goes
    /// on with the next line.
    private func resynchronize(_ extent: String) -> Outcome {
        tokenizer.reset()
        var end = recordStart
        while end < position, load(end) != lineEnd { end += 1 }
        position = min(end + 1, position)
        line = recordLine + 1
        return .malformed("a quote is opened and not closed: the field \(extent)")
    }

    // MARK: JSON

    private func nextObject() throws(ImportError) -> Outcome {
        while true {
            let end = try findLineEnd()
            if end == position { return .end }
            var scanner = JSONScanner(ByteView(window + position, count: end - position))
            recordStart = position
            recordLine = line
            position = end
            line += 1
            if end - recordStart > RecordReader.recordSizeMax {
                return .malformed("the line is larger than \(RecordReader.recordSizeMax) bytes")
            }
            if scanner.isAtEnd() { continue }
            do throws(JSONProblem) {
                try readObject(&scanner)
                return .record
            } catch {
                return .malformed(
                    "not a JSON object: \(error.reason) at column \(error.offset + 1)"
                )
            }
        }
    }

    private func readObject(_ scanner: inout JSONScanner) throws(JSONProblem) {
        fields.pointee.removeAll()
        fields.pointee.extend(to: names.count)
        try scanner.expect(UInt8(ascii: "{"))
        var expected = 0
        if !scanner.take(UInt8(ascii: "}")) {
            repeat {
                scratch.removeAll()
                try scanner.string(into: &scratch)
                let slot = slot(expected)
                expected = slot + 1
                try scanner.expect(UInt8(ascii: ":"))
                try readField(&scanner, into: slot)
            } while scanner.take(UInt8(ascii: ","))
            try scanner.expect(UInt8(ascii: "}"))
        }
        guard scanner.isAtEnd() else {
            throw JSONProblem(offset: scanner.offset, reason: "text after the object")
        }
    }

    private func readField(_ scanner: inout JSONScanner, into slot: Int) throws(JSONProblem) {
        let start = fields.pointee.bytes.count
        let kind: FieldKind
        switch scanner.peek() {
        case 0x22:
            try scanner.string(into: &fields.pointee.bytes)
            kind = .text
        case 0x5B, 0x7B:
            fields.pointee.bytes.append(try scanner.value())
            kind = .composite
        default:
            let literal = try scanner.literal()
            kind = literal.isText("null") ? .null : .literal
            if kind == .literal { fields.pointee.bytes.append(literal) }
        }
        fields.pointee.set(slot, kind: kind, from: start)
    }

    /// The place of the field whose name is in `scratch`; most objects have the same order, so
    /// `expected` is tried first.
    private func slot(_ expected: Int) -> Int {
        let name = scratch.view
        if expected < nameBytes.count, nameBytes[expected].withView({ $0.equals(name) }) {
            return expected
        }
        let bytes = name.array
        if let known = nameIndex[bytes] { return known }
        let slot = names.count
        nameIndex[bytes] = slot
        nameBytes.append(bytes)
        names.append(String(decoding: bytes, as: UTF8.self))
        fields.pointee.extend(to: names.count)
        return slot
    }

    // MARK: The window

    /// Where the line that begins at `position` ends, its end included; `position` at the end of the
    /// input.
    ///
    /// May move the window's content.
    private func findLineEnd() throws(ImportError) -> Int {
        var searched = position
        while true {
            if searched < filled,
                let found = memchr(window + searched, Int32(lineEnd), filled - searched)
            {
                return UnsafeRawPointer(found) - UnsafeRawPointer(window) + 1
            }
            if sourceEnded { return filled }
            // A line far beyond the limit is ended by force; it will be malformed.
            if filled - position > RecordReader.recordSizeMax + (1 << 20) { return filled }
            let ahead = filled - position
            try fill()
            searched = position + ahead
        }
    }

    /// Moves the unfinished record to the front and reads more behind it.
    private func fill() throws(ImportError) {
        if recordStart > 0 {
            memmove(window, window + recordStart, filled - recordStart)
            windowOffset += recordStart
            filled -= recordStart
            position -= recordStart
            recordStart = 0
        }
        if capacity - filled < capacity / 2 {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
            larger.copyMemory(from: window, byteCount: filled)
            window.deallocate()
            window = larger
            capacity *= 2
        }
        let room = UnsafeMutableRawBufferPointer(start: window + filled, count: capacity - filled)
        let got = try source.read(into: room)
        filled += got
        sourceEnded = got == 0
    }
}
