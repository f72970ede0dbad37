// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// That a row exists by itself (an INSERT wrote it), whatever its cells are.
package struct Liveness: Hashable, Sendable {
    /// The write timestamp, in microseconds.
    package let timestamp: Int64
    /// The time to live in seconds; 0 when it doesn't expire.
    package let ttl: UInt32
    /// When it expires, in seconds since 1970; 0 when it doesn't.
    package let expiry: Int64

    package init(timestamp: Int64, ttl: UInt32 = 0, expiry: Int64 = 0) {
        self.timestamp = timestamp
        self.ttl = ttl
        self.expiry = expiry
    }

    /// Whether it holds at `now`, in seconds since 1970.
    package func isLive(at now: Int64) -> Bool { ttl == 0 || expiry > now }

    /// Whether this one wins over `other`: the later timestamp; at a tie the expiring one, then the
    /// one that expires later.
    package func supersedes(_ other: Liveness) -> Bool {
        if timestamp != other.timestamp { return timestamp > other.timestamp }
        if (ttl != 0) != (other.ttl != 0) { return ttl != 0 }
        if expiry != other.expiry { return expiry > other.expiry }
        return ttl > other.ttl
    }
}

/// One cell of a row fragment; the views point into the fragment.
package struct Cell {
    /// What a cell is, as bits of its second byte.
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The cell is deleted; `localTime` says when.
        package static var tombstone: Flags { Flags(rawValue: 1) }
        /// The cell has a TTL; `localTime` says when it ends.
        package static var expiring: Flags { Flags(rawValue: 2) }
        /// The cell is an element of a collection; `path` names it.
        package static var path: Flags { Flags(rawValue: 4) }
        /// The cell's timestamp is the fragment's base timestamp and not repeated.
        package static var baseTimestamp: Flags { Flags(rawValue: 8) }
        /// All elements of the collection that were written at or before the timestamp are deleted.
        package static var collectionDeletion: Flags { Flags(rawValue: 16) }

        /// Whether the cell is a tombstone, expires or deletes a collection, and so has a local time.
        ///
        /// Spelled with masks, as `contains` is: sets made from array literals are not optimised
        /// across modules, and this is asked of each cell that is read.
        package var hasLocalTime: Bool { rawValue & 0b1_0011 != 0 }

        /// Whether the cell has a value: it is neither a tombstone nor the deletion of a collection.
        package var hasValue: Bool { rawValue & 0b1_0001 == 0 }

        package func contains(_ member: Flags) -> Bool { rawValue & member.rawValue != 0 }
        package mutating func add(_ member: Flags) {
            self = Flags(rawValue: rawValue | member.rawValue)
        }
        package mutating func drop(_ member: Flags) {
            self = Flags(rawValue: rawValue & ~member.rawValue)
        }
    }

    /// The column's id in the table's schema.
    package var column: UInt32
    package var flags: Flags
    /// The write timestamp, in microseconds.
    package var timestamp: Int64
    /// The time to live in seconds; 0 when the cell doesn't expire.
    package var ttl: UInt32
    /// Seconds since 1970: of a tombstone its making, of an expiring cell its end, else 0.
    package var localTime: Int64
    /// The element of a collection; empty for other cells.
    package var path: ByteView
    /// The serialized value; empty for tombstones.
    package var value: ByteView

    package init(
        column: UInt32,
        flags: Flags,
        timestamp: Int64,
        ttl: UInt32 = 0,
        localTime: Int64 = 0,
        path: ByteView = .empty,
        value: ByteView = .empty
    ) {
        self.column = column
        self.flags = flags
        self.timestamp = timestamp
        self.ttl = ttl
        self.localTime = localTime
        self.path = path
        self.value = value
    }

    /// Whether the cell has a value at `now`, in seconds since 1970.
    package func isLive(at now: Int64) -> Bool {
        if !flags.hasLocalTime { return true }
        return flags.contains(.expiring) && !flags.contains(.tombstone) && localTime > now
    }

    /// Where the cell stands in its row: by column, the collection's deletion first, then by path.
    package func order(_ other: Cell) -> Int {
        if column != other.column { return column < other.column ? -1 : 1 }
        let deletion = flags.contains(.collectionDeletion)
        if deletion != other.flags.contains(.collectionDeletion) { return deletion ? -1 : 1 }
        return path.compare(other.path)
    }

    /// Whether this cell wins over another of the same column and path: the later timestamp; at a tie
    /// a deletion, then an expiring cell, then the later local time, the greater value, the longer TTL.
    ///
    /// It is a total order, which makes merging commutative, associative and idempotent.
    package func supersedes(_ other: Cell) -> Bool {
        if timestamp != other.timestamp { return timestamp > other.timestamp }
        let isTombstone = flags.contains(.tombstone)
        if isTombstone != other.flags.contains(.tombstone) { return isTombstone }
        let isExpiring = flags.contains(.expiring)
        if isExpiring != other.flags.contains(.expiring) { return isExpiring }
        if localTime != other.localTime { return localTime > other.localTime }
        let order = value.compare(other.value)
        return order != 0 ? order > 0 : ttl > other.ttl
    }
}

/// Reads a row fragment: what one source knows of one row.
///
///     fragment = header [liveness] [deletion] [base] cell*
///     header   = bits: 01 liveness, 02 liveness expires, 04 row deletion, 08 base timestamp
///     liveness = timestamp (signed varint) [ttl (varint) expiry (signed varint)]
///     deletion = timestamp (signed varint) local-time (signed varint)
///     base     = timestamp (signed varint); without it the liveness's is the base
///     cell     = column (varint) flags (1 byte)
///                [timestamp (signed varint)]           unless it is the base timestamp
///                [local-time (signed varint)]          of a tombstone or an expiring cell
///                [ttl (varint)]                        of an expiring cell
///                [path-length (varint) path]           of an element
///                [value-length (varint) value]         unless a tombstone or collection deletion
///
/// Cells stand in `Cell.order`, strictly ascending. The writer is `RowEncoder`.
package struct RowFragment {
    /// That the row exists by itself.
    package let liveness: Liveness?
    /// A deletion of the whole row.
    package let deletion: Deletion?
    /// The timestamp of the cells that don't carry their own.
    package let base: Int64
    /// Whether the fragment states a base timestamp, in its liveness or by itself.
    package let usesBase: Bool
    private var reader: ByteReader

    package static let hasLiveness: UInt8 = 1
    package static let hasExpiry: UInt8 = 2
    package static let hasDeletion: UInt8 = 4
    package static let hasBase: UInt8 = 8

    /// Reads the fragment's header; `nextCell` then gives its cells.
    package init(_ view: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(view)
        let header = try reader.readByte()
        guard header & 0xF0 == 0 else {
            throw MalformedBytes(offset: 0, expected: "a row fragment's header")
        }
        var base: Int64 = 0
        if header & RowFragment.hasLiveness != 0 {
            base = try reader.readSignedVarint()
            if header & RowFragment.hasExpiry != 0 {
                let ttl = try reader.readCount(max: Int(UInt32.max))
                let expiry = try reader.readSignedVarint()
                liveness = Liveness(timestamp: base, ttl: UInt32(ttl), expiry: expiry)
            } else {
                liveness = Liveness(timestamp: base)
            }
        } else {
            liveness = nil
        }
        deletion = header & RowFragment.hasDeletion != 0 ? try Deletion(from: &reader) : nil
        if header & RowFragment.hasBase != 0 { base = try reader.readSignedVarint() }
        self.base = base
        self.usesBase = header & (RowFragment.hasLiveness | RowFragment.hasBase) != 0
        self.reader = reader
    }

    /// The bytes of the cells that `nextCell` hasn't given yet.
    package var cells: ByteView { reader.view.dropFirst(reader.offset) }

    /// Passes over the first `count` bytes of `cells`, which must be whole cells.
    package mutating func skip(_ count: Int) {
        invariant(count >= 0 && count <= reader.remaining, "skipping beyond the cells")
        reader.offset += count
    }

    /// Passes over the next cells as long as they are of the common kind, which is told from three
    /// bytes: a value of less than 128 bytes, with the base timestamp and without TTL, of one of the
    /// first columns. Whether there was one.
    package mutating func skipPlainCells() -> Bool {
        let cells = self.cells
        var offset = 0
        while offset + 3 <= cells.count {
            let column = cells.base.load(fromByteOffset: offset, as: UInt8.self)
            let flags = cells.base.load(fromByteOffset: offset + 1, as: UInt8.self)
            let length = cells.base.load(fromByteOffset: offset + 2, as: UInt8.self)
            let end = offset + 3 + Int(length)
            guard flags == Cell.Flags.baseTimestamp.rawValue, (column | length) < 0x80,
                end <= cells.count
            else { break }
            offset = end
        }
        reader.offset += offset
        return offset > 0
    }

    /// Whether there is no cell (left).
    package var hasNoCells: Bool { reader.isAtEnd }

    /// The next cell; nil after the last.
    package mutating func nextCell() throws(MalformedBytes) -> Cell? {
        guard !reader.isAtEnd else { return nil }
        let column = try reader.readCount(max: Int(UInt32.max))
        let flags = Cell.Flags(rawValue: try reader.readByte())
        var cell = Cell(column: UInt32(column), flags: flags, timestamp: base)
        if !flags.contains(.baseTimestamp) { cell.timestamp = try reader.readSignedVarint() }
        if flags.hasLocalTime {
            cell.localTime = try reader.readSignedVarint()
            if flags.contains(.expiring) {
                cell.ttl = UInt32(try reader.readCount(max: Int(UInt32.max)))
            }
        }
        if flags.contains(.path) { cell.path = try reader.readLengthPrefixed() }
        if flags.hasValue {
            cell.value = try reader.readLengthPrefixed()
        }
        return cell
    }
}

/// Writes a row fragment front to back; the layout stands at `RowFragment`, its reader.
package enum RowEncoder {
    /// Appends the header.
    ///
    /// Cells whose timestamp is `base` (by default the liveness's) are shorter.
    package static func begin(
        liveness: Liveness?,
        deletion: Deletion? = nil,
        base: Int64? = nil,
        to writer: inout ByteWriter
    ) {
        var header: UInt8 = 0
        if let liveness {
            header |= RowFragment.hasLiveness
            if liveness.ttl != 0 { header |= RowFragment.hasExpiry }
        }
        if deletion != nil { header |= RowFragment.hasDeletion }
        let explicitBase = base.flatMap { $0 == liveness?.timestamp ? nil : $0 }
        if explicitBase != nil { header |= RowFragment.hasBase }
        writer.append(header)
        if let liveness {
            writer.appendSignedVarint(liveness.timestamp)
            if liveness.ttl != 0 {
                writer.appendVarint(UInt64(liveness.ttl))
                writer.appendSignedVarint(liveness.expiry)
            }
        }
        deletion?.append(to: &writer)
        if let explicitBase { writer.appendSignedVarint(explicitBase) }
    }

    /// Appends a cell.
    ///
    /// `base` is the timestamp that the header fixed: the explicit one, else the liveness's, else
    /// 0.
    package static func append(_ cell: Cell, base: Int64, to writer: inout ByteWriter) {
        var flags = cell.flags
        if cell.timestamp == base {
            flags.add(.baseTimestamp)
        } else {
            flags.drop(.baseTimestamp)
        }
        writer.appendVarint(UInt64(cell.column))
        writer.append(flags.rawValue)
        if cell.timestamp != base { writer.appendSignedVarint(cell.timestamp) }
        if flags.hasLocalTime {
            writer.appendSignedVarint(cell.localTime)
            if flags.contains(.expiring) { writer.appendVarint(UInt64(cell.ttl)) }
        }
        if flags.contains(.path) { writer.appendLengthPrefixed(cell.path) }
        if flags.hasValue {
            writer.appendLengthPrefixed(cell.value)
        }
    }
}
