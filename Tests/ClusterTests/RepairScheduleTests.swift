// SPDX-License-Identifier: Apache-2.0

import Bytes
@testable import Cluster
import Environment
import Model
import Testing

/// What is proven in sync, and what is repaired next.
@Suite struct RepairScheduleTests {
    private let one = UUID(high: 0, low: 1)
    private let two = UUID(high: 0, low: 2)
    private static let day: Int64 = 86_400_000_000

    private func table(_ id: UUID, days: Int64 = 10) -> RepairSchedule.Table {
        RepairSchedule.Table(id: id, grace: days * Self.day)
    }

    private func range(_ first: Int64, _ last: Int64) -> TokenRange { TokenRange(Token(first), Token(last)) }

    @Test func provenTimesAreThoseOfAModel() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<200 {
            var schedule = RepairSchedule()
            var model = [Int64?](repeating: nil, count: 40)
            for time in 1...15 as ClosedRange<Int64> {
                let (a, b) = (Int.random(in: 0...39, using: &random), Int.random(in: 0...39, using: &random))
                let (first, last) = (min(a, b), max(a, b))
                // Repairs end in another order than they began.
                let begun = max(1, time - Int64.random(in: 0...3, using: &random))
                schedule.succeeded(one, range(Int64(first), Int64(last)), begun: begun)
                for token in first...last { model[token] = max(model[token] ?? 0, begun) }
            }
            for _ in 0..<50 {
                let (a, b) = (Int.random(in: 0...39, using: &random), Int.random(in: 0...39, using: &random))
                let (first, last) = (min(a, b), max(a, b))
                let times = model[first...last]
                let known = times.compactMap { $0 }
                let expected = known.count < times.count ? nil : known.min()
                #expect(schedule.provenTime(one, range(Int64(first), Int64(last))) == expected)
            }
            #expect(schedule.provenTime(two, range(0, 0)) == nil)
        }
    }

    @Test func allTokensCanBeProven() {
        var schedule = RepairSchedule()
        schedule.succeeded(one, .all, begun: 7)
        schedule.succeeded(one, range(.min, 5), begun: 9)
        schedule.succeeded(one, range(100, .max), begun: 8)
        #expect(schedule.provenTime(one, .all) == 7)
        #expect(schedule.provenTime(one, range(.min, 5)) == 9)
        #expect(schedule.provenTime(one, range(100, .max)) == 8)
    }

    @Test func whatWasNeverProvenIsFirstAndThenTheOneWhoseGraceEndsFirst() throws {
        var schedule = RepairSchedule()
        let ranges = [range(0, 9), range(10, 19)]
        let tables = [table(one), table(two, days: 4)]
        let now = 20 * Self.day
        for table in tables {
            for range in ranges { schedule.succeeded(table.id, range, begun: now) }
        }
        #expect(schedule.next(tables: tables, ranges: ranges, now: now + Self.day) == nil)
        // Half of the grace of the second table is over.
        let due = try #require(schedule.next(tables: tables, ranges: ranges, now: now + 2 * Self.day))
        #expect(due == RepairSchedule.Job(table: two, range: ranges[0], provenTime: now, deadline: now + 4 * Self.day))
        schedule.succeeded(two, ranges[0], begun: now + 2 * Self.day)
        let next = try #require(schedule.next(tables: tables, ranges: ranges, now: now + 2 * Self.day))
        #expect(next.table == two && next.range == ranges[1])
        let fresh = try #require(
            schedule.next(tables: tables, ranges: [range(50, 60)], now: now + 2 * Self.day)
        )
        #expect(fresh.provenTime == 0)
        #expect(schedule.overdue(tables: tables, ranges: ranges, now: now + 5 * Self.day).map(\.range) == [ranges[1]])
    }

    @Test func whatFailsWaitsEverLonger() throws {
        var schedule = RepairSchedule()
        let (tables, ranges) = ([table(one)], [range(0, 9)])
        var now = 20 * Self.day
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] as [Int64] {
            #expect(schedule.next(tables: tables, ranges: ranges, now: now) != nil)
            schedule.failed(one, ranges[0], now: now)
            #expect(schedule.next(tables: tables, ranges: ranges, now: now + minutes * 60_000_000 - 1) == nil)
            now += minutes * 60_000_000
        }
        schedule.succeeded(one, ranges[0], begun: now)
        schedule.failed(one, ranges[0], now: now + 9 * Self.day)
        #expect(schedule.next(tables: tables, ranges: ranges, now: now + 9 * Self.day + 60_000_000) != nil)
    }

    @Test func itsFormReadsAsItWasWrittenAndNothingElse() throws {
        var schedule = RepairSchedule()
        schedule.succeeded(one, range(0, 9), begun: 3)
        schedule.succeeded(one, range(20, 29), begun: 5)
        schedule.succeeded(two, .all, begun: 4)
        var writer = ByteWriter()
        schedule.encode(to: &writer)
        let bytes = writer.array
        let read = try bytes.withView { view in
            var reader = ByteReader(view)
            return try RepairSchedule(from: &reader)
        }
        #expect(read == schedule)
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            #expect(throws: MalformedBytes.self) {
                try cut.withView { view in
                    var reader = ByteReader(view)
                    _ = try RepairSchedule(from: &reader)
                }
            }
        }
        var kept = schedule
        kept.keepOnly([two])
        #expect(kept.provenTime(one, range(0, 9)) == nil)
        #expect(kept.provenTime(two, .all) == 4)
    }
}
