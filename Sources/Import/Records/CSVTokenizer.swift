// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CCSV

/// Splits lines of CSV into fields with libcsv, which knows about quotes.
///
/// Lines are fed one at a time, so that the caller always knows which bytes a record came from.
final class CSVTokenizer {
    private let parser: UnsafeMutablePointer<csv_parser>
    /// The fields of the record being read: what libcsv's callbacks write to.
    let fields: UnsafeMutablePointer<FieldList>

    /// `quote` 0 turns quoting off.
    init(delimiter: UInt8, quote: UInt8) throws(ImportError) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: csv_parser())
        fields = .allocate(capacity: 1)
        fields.initialize(to: FieldList())
        guard csv_init(parser, 0) == 0 else { throw .failure("libcsv cannot start") }
        csv_set_delim(parser, delimiter)
        csv_set_quote(parser, quote)
        // Spaces belong to the field (RFC 4180, section 2.4); libcsv would strip them.
        csv_set_space_func(parser) { _ in 0 }
        csv_set_blk_size(parser, 4096)
    }

    deinit {
        csv_free(parser)
        fields.deinitialize(count: 1)
        fields.deallocate()
        parser.deallocate()
    }

    /// How many records have ended since `begin`.
    var rows: Int { fields.pointee.rows }

    /// Whether no record has begun that has not ended.
    var isBetweenRecords: Bool { parser.pointee.pstate == 0 }

    /// Whether the bytes so far end within quotes.
    var isInQuotes: Bool { parser.pointee.pstate == 2 && parser.pointee.quoted != 0 }

    /// Forgets the record before.
    func begin() {
        fields.pointee.removeAll()
    }

    /// Feeds bytes: a line with its end, or what is left of one.
    func feed(_ base: UnsafeRawPointer, count: Int) throws(ImportError) {
        let used = csv_parse(parser, base, count, CSVTokenizer.field, CSVTokenizer.row, fields)
        guard used == count else {
            let why = csv_strerror(csv_error(parser)).map { String(cString: $0) } ?? "unknown"
            throw .failure("libcsv stopped: \(why)")
        }
    }

    /// Ends a last line that has no end of its own.
    func finish() { _ = csv_fini(parser, CSVTokenizer.field, CSVTokenizer.row, fields) }

    /// Drops a record that cannot be ended.
    func reset() {
        begin()
        parser.pointee.pstate = 0
        parser.pointee.quoted = 0
        parser.pointee.spaces = 0
        parser.pointee.entry_pos = 0
    }

    private static let field:
        @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Void = {
            bytes,
            count,
            context in
            guard let context else { return }
            let view = bytes.map { ByteView($0, count: count) } ?? .empty
            context.assumingMemoryBound(to: FieldList.self).pointee.append(view)
        }

    private static let row: @convention(c) (Int32, UnsafeMutableRawPointer?) -> Void = {
        _,
        context in
        context?.assumingMemoryBound(to: FieldList.self).pointee.rows += 1
    }
}
