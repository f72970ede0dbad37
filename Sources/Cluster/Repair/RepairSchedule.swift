// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Which part of which table was proven in sync as of when, and which is to be repaired next, so
/// that every part is within its table's `gc_grace_seconds`. Times are microseconds since 1970.
///
/// What was written before a repair began, and only that, is in sync when it has succeeded: so it
/// counts from its beginning.
package struct RepairSchedule: Sendable, Equatable {
    /// What a table asks for.
    package struct Table: Sendable, Hashable {
        package let id: UUID
        /// Its `gc_grace_seconds`, in microseconds.
        package let grace: Int64

        package init(id: UUID, grace: Int64) {
            self.id = id
            self.grace = grace
        }
    }

    /// What to repair next.
    package struct Job: Sendable, Equatable {
        package let table: UUID
        package let range: TokenRange
        /// As of when the range is in sync by now; 0 if never.
        package let provenTime: Int64
        /// When it must be done.
        package let deadline: Int64
    }

    /// How a schedule is kept.
    package struct Settings: Sendable {
        /// A range is due when this part of the grace has passed since it was last in sync, in percent:
        /// the rest is for the repair itself, and for trying again.
        package var duePercent: Int64 = 50
        /// Pause after a failure, twice as long with each more, up to `retryMax`.
        package var retryMin: Int64 = 60_000_000
        package var retryMax: Int64 = 3_600_000_000

        package init() {}
    }

    private struct Span: Sendable, Equatable {
        var range: TokenRange
        var time: Int64
    }

    private struct Failure: Sendable, Equatable {
        let table: UUID
        let range: TokenRange
        var count: Int
        var retryTime: Int64
    }

    /// By table: what is proven, in order, apart from each other; the rest never was.
    private var proven: [UUID: [Span]] = [:]
    private var failures: [Failure] = []

    package init() {}

    /// A repair of a range, begun at a time, has succeeded: all replicas were there and agree.
    package mutating func succeeded(_ table: UUID, _ range: TokenRange, begun time: Int64) {
        failures.removeAll { $0.table == table && $0.range == range }
        var spans: [Span] = []
        // What isn't proven yet in the range, piece by piece.
        var next: Token? = range.first
        func add(_ span: Span) {
            if let last = spans.last, last.time == span.time, last.range.last < span.range.first,
                last.range.last.value + 1 == span.range.first.value
            {
                spans[spans.count - 1].range = TokenRange(last.range.first, span.range.last)
            } else {
                spans.append(span)
            }
        }
        func fill(upTo last: Token) {
            guard let first = next, first <= last else { return }
            add(Span(range: TokenRange(first, last), time: time))
        }
        for span in proven[table] ?? [] {
            guard let common = span.range.intersection(range) else {
                if span.range.first > range.last {
                    fill(upTo: range.last)
                    next = nil
                }
                add(span)
                continue
            }
            if span.range.first < common.first {
                let before = TokenRange(span.range.first, Token(common.first.value - 1))
                add(Span(range: before, time: span.time))
            }
            if common.first > .min { fill(upTo: Token(common.first.value - 1)) }
            add(Span(range: common, time: max(span.time, time)))
            next = common.last < range.last ? Token(common.last.value + 1) : nil
            if span.range.last > common.last {
                let after = TokenRange(Token(common.last.value + 1), span.range.last)
                add(Span(range: after, time: span.time))
            }
        }
        fill(upTo: range.last)
        proven[table] = spans
    }

    /// A repair has failed: the range waits a while, so that others have their turn.
    package mutating func failed(
        _ table: UUID,
        _ range: TokenRange,
        now: Int64,
        settings: Settings = .init()
    ) {
        var count = 1
        if let index = failures.firstIndex(where: { $0.table == table && $0.range == range }) {
            count = failures.remove(at: index).count + 1
        }
        let pause = min(settings.retryMax, settings.retryMin << Int64(min(count - 1, 16)))
        failures.append(
            Failure(table: table, range: range, count: count, retryTime: now + pause)
        )
    }

    /// As of when all of a range is in sync; nil if part of it never was.
    ///
    /// With `tombstone_gc = {'mode': 'repair'}` a deletion may be purged if it is older than this.
    package func provenTime(_ table: UUID, _ range: TokenRange) -> Int64? {
        var next: Token = range.first
        var oldest = Int64.max
        guard let spans = proven[table] else { return nil }
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].range.last < range.first { low = middle + 1 } else { high = middle }
        }
        for span in spans[low...] {
            guard span.range.first <= next else { return nil }
            oldest = min(oldest, span.time)
            if span.range.last >= range.last { return oldest }
            next = Token(span.range.last.value + 1)
        }
        return nil
    }

    /// The most urgent part that is due: the one whose grace ends first.
    ///
    /// - Parameters:
    ///   - tables: The tables to keep in sync; the schedule forgets nothing of others.
    ///   - ranges: The ranges to look after: those for which this node is the first replica that is
    ///     up, so that the cluster does each once.
    package func next(
        tables: [Table],
        ranges: [TokenRange],
        now: Int64,
        settings: Settings = .init()
    ) -> Job? {
        var best: Job?
        for table in tables {
            for range in ranges {
                let time = provenTime(table.id, range) ?? 0
                guard now - time >= table.grace / 100 * settings.duePercent else { continue }
                let deadline = time + table.grace
                if let best, best.deadline <= deadline { continue }
                let isWaiting = failures.contains {
                    $0.table == table.id && $0.range == range && $0.retryTime > now
                }
                if isWaiting { continue }
                best = Job(table: table.id, range: range, provenTime: time, deadline: deadline)
            }
        }
        return best
    }

    /// The parts that are beyond their grace, oldest deadline first: what an operator must know.
    package func overdue(tables: [Table], ranges: [TokenRange], now: Int64) -> [Job] {
        var jobs: [Job] = []
        for table in tables {
            for range in ranges {
                let time = provenTime(table.id, range) ?? 0
                guard now - time > table.grace else { continue }
                jobs.append(
                    Job(
                        table: table.id,
                        range: range,
                        provenTime: time,
                        deadline: time + table.grace
                    )
                )
            }
        }
        return jobs.enumerated().sorted {
            ($0.element.deadline, $0.offset) < ($1.element.deadline, $1.offset)
        }.map(\.element)
    }

    /// Forgets tables that are gone.
    package mutating func keepOnly(_ tables: [UUID]) {
        proven = proven.filter { tables.contains($0.key) }
        failures.removeAll { !tables.contains($0.table) }
    }

    // MARK: Binary form

    private static let formatVersion: UInt8 = 1

    /// Appends what is proven; failures are forgotten.
    package func encode(to writer: inout ByteWriter) {
        writer.append(Self.formatVersion)
        let tables = proven.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }
        writer.appendVarint(tables.count)
        for table in tables {
            writer.append(table.bytes)
            let spans = proven[table] ?? []
            writer.appendVarint(spans.count)
            for span in spans {
                writer.appendBigEndian(span.range.first.value)
                writer.appendBigEndian(span.range.last.value)
                writer.appendSignedVarint(span.time)
            }
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init()
        guard try reader.readByte() == Self.formatVersion else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "repair format 1")
        }
        for _ in 0..<(try reader.readCount(max: reader.remaining / 17)) {
            guard let table = UUID(try reader.readView(16)) else { continue }
            var spans: [Span] = []
            for _ in 0..<(try reader.readCount(max: reader.remaining / 17)) {
                let first = Token(try reader.readBigEndian())
                let last = Token(try reader.readBigEndian())
                let isNext = spans.last.map { $0.range.last < first } ?? true
                guard first <= last, isNext else {
                    throw MalformedBytes(offset: reader.offset, expected: "ranges in order")
                }
                let time = try reader.readSignedVarint()
                guard time >= 0, time < Int64.max / 4 else {
                    throw MalformedBytes(offset: reader.offset, expected: "a time")
                }
                spans.append(Span(range: TokenRange(first, last), time: time))
            }
            proven[table] = spans
        }
    }
}
