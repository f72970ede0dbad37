// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The layout of the keys of postings, the entries of secondary indexes; all comparison is `memcmp`.
///
///     posting = index-id (4 bytes, big endian) term 38 place
///     term    = component                   a column, an element, a map's key or value
///             | component component         an entry of a map
///     component = 40 ordered-encoding | 3F an empty value
///
/// Index id and term have at most `storedTermMax` bytes: what is longer is cut there. So a posting may be
/// of another value with the same beginning, which the test of the row finds out.
///
///     place   = a row's whole key
///             | the partition part of keys: of a static column and of a partition-key column
///
/// So the postings of one term are together, and in the order of the rows; terms are in the order of
/// their values. A posting's value is the offset of its place (a varint).
package enum PostingKey {
    /// Ends a term.
    package static let endTerm: UInt8 = 0x38
    /// Above everything that has a term as its beginning.
    package static let aboveTerm: UInt8 = 0x39
    /// Writes of indexed values of more bytes than this are refused. Those that were there before the
    /// index are found all the same.
    package static let termSizeMax = 65_535
    /// The most bytes of index id and term in a posting.
    package static let storedTermMax = termSizeMax + 16

    /// Cuts a term that begins, with its index id, at `start`, if it is too long; whether it was.
    @discardableResult
    package static func cut(_ writer: inout ByteWriter, from start: Int) -> Bool {
        guard writer.count - start > storedTermMax else { return false }
        writer.truncate(to: start + storedTermMax)
        return true
    }

    /// Appends the id of an index.
    package static func appendIndex(_ id: UInt32, to writer: inout ByteWriter) {
        writer.appendBigEndian(id)
    }

    /// Appends a component of a term for a serialized value.
    package static func appendComponent(
        _ value: ByteView,
        type: CQLType,
        to writer: inout ByteWriter
    ) {
        Key.appendComponent(value, type: type, descending: false, to: &writer)
    }

    /// Appends a component for the path of a cell, which is an ordered encoding already.
    package static func appendComponent(path: ByteView, to writer: inout ByteWriter) {
        writer.append(Key.component)
        writer.append(path)
    }

    /// The same for a value that is stored as a path: an element of a set, a key of a map.
    package static func appendComponent(
        asPath value: ByteView,
        type: CQLType,
        to writer: inout ByteWriter
    ) {
        writer.append(Key.component)
        OrderedEncoding.append(value, type: type, descending: false, to: &writer)
    }
}

extension TableSchema {
    /// Whether postings of an index name partitions and not rows.
    package func namesPartitions(_ index: IndexSchema) -> Bool {
        switch column(of: index)?.kind {
        case .static, .partitionKey: true
        default: false
        }
    }
}
