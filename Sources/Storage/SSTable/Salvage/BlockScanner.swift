// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// Finds blocks where no index says where they are, by their trailers' checksums, which are seeded by the
/// file's salt and the block's place: what passes is a block of this file at its own place.
///
/// From where a block begins its end is found by trying what looks like a trailer. Where one is damaged,
/// the next may begin behind anything that looks like a trailer, or, if that is damaged too, anywhere;
/// the work for that is bounded, and what isn't found within the bound counts as lost.
struct BlockScanner {
    let file: any ReadableFile
    let salt: UInt64

    /// What a run of bytes is.
    enum Piece: Equatable {
        case block(BlockHandle)
        case lost(Range<Int>)
    }

    /// Longer blocks are only found by the index.
    private static let storedCountMax = 4 << 20
    /// How many bytes may be hashed to find where blocks go on behind damage.
    private static let workMax = 1 << 34

    /// The pieces of `range`, without gaps, in order.
    func scan(_ range: Range<Int>) -> [Piece] {
        var pieces: [Piece] = []
        var work = BlockScanner.workMax
        var window = ScanWindow(file: file, salt: salt, end: range.upperBound)
        var position = range.lowerBound
        while position < range.upperBound {
            guard window.load(position, count: BlockScanner.storedCountMax) else { break }
            if let end = window.end(ofBlockAt: position) {
                pieces.append(
                    .block(BlockHandle(offset: position, storedCount: end - position))
                )
                position = end
                continue
            }
            guard let next = window.nextBlock(after: position, work: &work) else { break }
            pieces.append(.lost(position..<next))
            position = next
        }
        if position < range.upperBound { pieces.append(.lost(position..<range.upperBound)) }
        return pieces
    }
}

/// A part of a file in memory in which blocks are looked for.
private struct ScanWindow: ~Copyable {
    private let file: any ReadableFile
    private let salt: UInt64
    /// Where the blocks end at the latest.
    private let end: Int
    private var bytes = ByteWriter(capacity: 64)
    private var start = 0

    init(file: any ReadableFile, salt: UInt64, end: Int) {
        self.file = file
        self.salt = salt
        self.end = end
    }

    /// Has at least `count` bytes from `position` in memory, or all there are; false when they can't
    /// be read.
    mutating func load(_ position: Int, count: Int) -> Bool {
        let wanted = min(count, end - position)
        if position >= start, position + wanted <= start + bytes.count { return true }
        bytes.removeAll()
        start = position
        let most = min(2 * count, end - position)
        return (try? StoredBlock.read(file, at: position, count: most, into: &bytes)) != nil
    }

    /// Whether a trailer may stand at `place`, of a block that begins at `first`.
    @inline(__always)
    private func hasTrailer(_ view: ByteView, at place: Int, from first: Int) -> Bool {
        guard let codec = Codec(rawValue: view[place]) else { return false }
        let count = Int(view.loadLittleEndian(place + 1, as: UInt32.self))
        let payload = place - first
        guard codec != .none else { return count == payload }
        // Compressed blocks are kept only if they save something.
        return count > payload && count <= SSTableFormat.blockCountMax
            && payload <= count - count / SSTableFormat.savingDivisor
    }

    private func isBlock(_ view: ByteView, _ first: Int, _ trailer: Int) -> Bool {
        let stated = view.loadLittleEndian(trailer + 5, as: UInt64.self)
        let seed = SSTableFormat.seed(salt: salt, offset: start + first)
        return Checksum.xxh3(view[first..<trailer + 5], seed: seed) == stated
    }

    /// The end of the sound block that begins at `position`; nil when none does.
    func end(ofBlockAt position: Int) -> Int? {
        let view = bytes.view
        let first = position - start
        guard first >= 0, first + SSTableFormat.trailerCount <= view.count else { return nil }
        for trailer in first...(view.count - SSTableFormat.trailerCount)
        where view[trailer] < 4 && hasTrailer(view, at: trailer, from: first) {
            if isBlock(view, first, trailer) { return start + trailer + SSTableFormat.trailerCount }
        }
        return nil
    }

    /// Where the first sound block behind `position` begins; nil when none is found.
    ///
    /// `work` counts down by the bytes that are looked at.
    func nextBlock(after position: Int, work: inout Int) -> Int? {
        let view = bytes.view
        let low = position - start + 1
        let last = view.count - SSTableFormat.trailerCount
        guard low <= last else { return nil }
        var trailer = low
        while trailer <= last, work > 0 {
            defer { trailer += 1 }
            guard view[trailer] < 4 else { continue }
            let count = Int(view.loadLittleEndian(trailer + 1, as: UInt32.self))
            guard count > 0, count <= SSTableFormat.blockCountMax else { continue }
            // The damaged block's own trailer: the next block begins behind it.
            let behind = trailer + SSTableFormat.trailerCount
            if behind <= last, count < 1 << 24 {
                work -= ScanWindow.nearCount
                if startsBlock(view, behind) { return start + behind }
            }
            // Or the trailer of a sound block, whose begin isn't known unless it is stored as it is.
            if view[trailer] == 0 {
                let first = trailer - count
                guard first >= low else { continue }
                work -= count + 64
                if isBlock(view, first, trailer) { return start + first }
            } else if let first = begin(view, low, trailer, count, &work) {
                return start + first
            }
        }
        return nil
    }

    /// Whether a sound block begins at `first`: as `end(ofBlockAt:)`, for near ends only.
    private func startsBlock(_ view: ByteView, _ first: Int) -> Bool {
        let last = min(view.count - SSTableFormat.trailerCount, first + ScanWindow.nearCount)
        guard first <= last else { return false }
        for trailer in first...last where view[trailer] < 4 {
            if hasTrailer(view, at: trailer, from: first), isBlock(view, first, trailer) {
                return true
            }
        }
        return false
    }

    private static let nearCount = 64 << 10

    /// The begin of the block with this trailer, tried place by place; only for blocks of usual sizes.
    private func begin(
        _ view: ByteView,
        _ low: Int,
        _ trailer: Int,
        _ count: Int,
        _ work: inout Int
    ) -> Int? {
        guard count <= ScanWindow.nearCount else { return nil }
        // Zstd may have saved nearly all; nothing is saved beyond that.
        let most = count - count / SSTableFormat.savingDivisor
        var first = max(low, trailer - most)
        while first < trailer, work > 0 {
            work -= trailer - first
            if isBlock(view, first, trailer) { return first }
            first += 1
        }
        return nil
    }
}
