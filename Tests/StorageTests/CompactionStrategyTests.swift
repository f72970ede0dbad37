// SPDX-License-Identifier: Apache-2.0

import Environment
import Foundation
import Model
import Storage
import Testing

/// Sets of files and what is chosen of them, in `testdata/compaction.txt`.
///
/// A case is a strategy's class, its options, and files: `NUMBER size MIB [tokens PERCENT..PERCENT]
/// [written SECONDS..SECONDS] [dead SECONDS] [deletions SECONDS] [blocks N] [dead N] [age SECONDS] [busy]`.
/// With `REWRITE=1` in the environment the answers are written instead of compared.
@Suite struct CompactionStrategyTests {
    static let now: Int64 = 1_700_000_000

    @Test func choicesAreAsWritten() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("testdata/compaction.txt")
        let text = try String(contentsOf: file, encoding: .utf8)
        var output: [String] = []
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
        var count = 0
        while let line = lines.popFirst() {
            output.append(line)
            guard line.hasPrefix("class ") else { continue }
            var input = [line]
            while let next = lines.popFirst() {
                output.append(next)
                if next == "----" { break }
                input.append(next)
            }
            var expected: [String] = []
            while let next = lines.popFirst(), !next.isEmpty { expected.append(next) }
            let answer = try CompactionCase(input).answer()
            if ProcessInfo.processInfo.environment["REWRITE"] != "1" {
                #expect(answer == expected, "\(input)")
            }
            output += answer + [""]
            count += 1
        }
        #expect(count > 30)
        if ProcessInfo.processInfo.environment["REWRITE"] == "1" {
            while output.last == "" { output.removeLast() }
            try (output.joined(separator: "\n") + "\n").write(to: file, atomically: true, encoding: .utf8)
        }
    }
}

/// One case of the file.
struct CompactionCase {
    struct Malformed: Error { let line: String }

    var options = TableOptions()
    var conditions: CompactionConditions
    var files: [SSTableFacts] = []
    private let space = TokenSpace([.all])

    init(_ lines: [String]) throws {
        let now = CompactionStrategyTests.now
        conditions = CompactionConditions(
            space: space,
            now: now,
            graceHorizon: TableOptions().graceHorizon(now: now),
            flushSize: 64 << 20
        )
        options.compaction = [:]
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            guard let word = words.first, words.count > 1 else { throw Malformed(line: line) }
            if let number = UInt64(word) {
                files.append(try file(number, words.dropFirst(), line))
            } else if word == "replaced" {
                conditions.replacedShare = Double(words[1])
            } else if word == "memtable" {
                conditions.memtableMinTimestamp = (now - (Int64(words[1]) ?? 0)) * 1_000_000
            } else {
                options.compaction[word] = words.dropFirst().joined(separator: " ")
            }
        }
    }

    private func token(_ percent: Double) -> Token {
        Token(biased: UInt64(min(percent / 100, 0.9999999999) * 0x1p64))
    }

    private func file(
        _ number: UInt64,
        _ given: ArraySlice<String>,
        _ line: String
    ) throws -> SSTableFacts {
        var words = given
        var facts = SSTableFacts(number: number, size: 0, tokens: TokenRange(token(0), token(100)))
        let scale: Int64 = options.compaction["timestamp_resolution"] == "MILLISECONDS" ? 1_000 : 1_000_000
        func pair(_ text: String) throws -> (Double, Double) {
            let parts = text.replacingOccurrences(of: "..", with: " ").split(separator: " ")
            guard parts.count == 2, let a = Double(parts[0]), let b = Double(parts[1]) else {
                throw Malformed(line: line)
            }
            return (a, b)
        }
        while let word = words.popFirst() {
            if word == "busy" {
                facts.isBusy = true
                continue
            }
            guard let value = words.popFirst() else { throw Malformed(line: line) }
            let seconds = CompactionStrategyTests.now - (Int64(value) ?? 0)
            switch word {
            case "size": facts.size = (Int(value) ?? 0) << 20
            case "tokens":
                let (first, last) = try pair(value)
                let end = token(last + 1)
                facts.tokens = TokenRange(token(first), Token(end.value - 1))
            case "written":
                let (first, last) = try pair(value)
                facts.minTimestamp = (CompactionStrategyTests.now - Int64(first)) * scale
                facts.maxTimestamp = (CompactionStrategyTests.now - Int64(last)) * scale
            case "dead":
                if facts.oldestDeletion == nil {
                    facts.deadAt = seconds
                } else {
                    facts.deadBlockCount = Int(value) ?? 0
                }
            case "deletions": facts.oldestDeletion = seconds
            case "blocks": facts.blockCount = Int(value) ?? 0
            case "age": facts.createdAt = seconds
            default: throw Malformed(line: line)
            }
        }
        return facts
    }

    /// What is chosen, a line each.
    func answer() -> [String] {
        CompactionStrategy(CompactionSettings(options), conditions).choose(files).map { choice in
            let numbers = choice.inputs.map(String.init).joined(separator: " ")
            switch choice.reason {
            case .expired: return "drop \(numbers): expired"
            case .level(let level): return "merge \(numbers) in \(choice.sliceCount): level \(level)"
            case .replaced: return "merge \(numbers) in \(choice.sliceCount): into the largest level"
            case .window(let start):
                let age = (CompactionStrategyTests.now - start) / 3_600
                return "merge \(numbers) in \(choice.sliceCount): the window of \(age) hours ago"
            case .tombstones: return "merge \(numbers) in \(choice.sliceCount): deletions"
            case .request: return "merge \(numbers) in \(choice.sliceCount): asked for"
            case .index: return "merge \(numbers) in \(choice.sliceCount): an index"
            }
        }
    }
}

/// What holds of all choices, over random sets of files.
@Suite struct CompactionPropertyTests {
    static let classes: [[String: String]] = [
        [:], ["scaling_parameters": "T4"], ["scaling_parameters": "L10"],
        ["scaling_parameters": "T2, N, L4"], ["class": "SizeTieredCompactionStrategy"],
        ["class": "LeveledCompactionStrategy"], ["class": "TimeWindowCompactionStrategy"],
    ]

    private func randomFiles(_ random: inout SplitMix64) -> [SSTableFacts] {
        let count = Int(random.next(upperBound: 40 as UInt64))
        return (0..<count).map { index in
            let a = Token(biased: random.next())
            let b = Token(biased: random.next())
            let isWhole = random.next(upperBound: 2 as UInt64) == 0
            var facts = SSTableFacts(
                number: UInt64(index + 1),
                size: 1 << Int(random.next(upperBound: 32 as UInt64)),
                tokens: isWhole ? .all : TokenRange(min(a, b), max(a, b))
            )
            facts.minTimestamp = Int64(random.next(upperBound: 1_000 as UInt64)) * 86_400_000_000
            facts.maxTimestamp = facts.minTimestamp + Int64(random.next(upperBound: 86_400_000_000 as UInt64))
            if random.next(upperBound: 5 as UInt64) == 0 { facts.deadAt = Int64(random.next(upperBound: 2_000 as UInt64)) }
            if random.next(upperBound: 5 as UInt64) == 0 { facts.oldestDeletion = 0 }
            facts.blockCount = 10
            facts.deadBlockCount = Int(random.next(upperBound: 10 as UInt64))
            facts.isBusy = random.next(upperBound: 10 as UInt64) == 0
            return facts
        }
    }

    @Test(arguments: classes) func choicesAreDisjointIdleAndUseful(map: [String: String]) {
        var random = SplitMix64(seed: 7)
        var options = TableOptions()
        options.compaction = map
        for _ in 0..<300 {
            let files = randomFiles(&random)
            let conditions = CompactionConditions(
                space: TokenSpace([.all]),
                now: 1_000_000,
                graceHorizon: 1_000,
                flushSize: 1 << 20
            )
            let choices = CompactionStrategy(CompactionSettings(options), conditions).choose(files)
            var seen: Set<UInt64> = []
            for choice in choices {
                #expect(seen.isDisjoint(with: choice.inputs))
                seen.formUnion(choice.inputs)
                let inputs = files.filter { choice.inputs.contains($0.number) }
                #expect(inputs.count == choice.inputs.count)
                #expect(!inputs.contains { $0.isBusy })
                #expect(choice.sliceCount >= 1 && choice.sliceCount <= 1 << 17)
                switch choice.reason {
                case .expired, .tombstones, .request, .index: break
                case .level, .replaced, .window: #expect(inputs.count >= 2)
                }
            }
        }
    }

    /// Flushes come one after the other, and each compaction is as if it had run at once.
    @Test(arguments: classes) func compactionComesToAnEndAndFilesStayFew(map: [String: String]) {
        var options = TableOptions()
        options.compaction = map
        var conditions = CompactionConditions(
            space: TokenSpace([.all]),
            now: 0,
            graceHorizon: -1,
            flushSize: 1 << 20
        )
        conditions.memtableMinTimestamp = 0
        var files: [SSTableFacts] = []
        var number: UInt64 = 1
        for _ in 0..<500 {
            var flushed = SSTableFacts(number: number, size: 1 << 20, tokens: .all)
            flushed.isFlushed = true
            files.append(flushed)
            number += 1
            var rounds = 0
            while let choice = CompactionStrategy(CompactionSettings(options), conditions)
                .choose(files).first
            {
                let inputs = files.filter { choice.inputs.contains($0.number) }
                files.removeAll { choice.inputs.contains($0.number) }
                let size = inputs.reduce(0) { $0 + $1.size }
                let first = inputs.map(\.tokens.first).min() ?? .min
                let last = inputs.map(\.tokens.last).max() ?? .max
                let slices = conditions.space.slices(choice.sliceCount)
                    .compactMap { $0[0].intersection(TokenRange(first, last)) }
                for tokens in slices {
                    files.append(
                        SSTableFacts(number: number, size: size / slices.count, tokens: tokens))
                    number += 1
                }
                rounds += 1
                if rounds > 50 { break }
            }
            #expect(rounds <= 24)
        }
        #expect(CompactionPropertyTests.depth(files) <= 24)
    }

    /// The most files that have one token.
    private static func depth(_ files: [SSTableFacts]) -> Int {
        files.map { file in files.filter { $0.tokens.contains(file.tokens.first) }.count }.max() ?? 0
    }

    @Test(arguments: [1, 2, 3, 4, 7, 16, 1_000]) func slicesCoverTheSpaceWithoutOverlap(count: Int) {
        for map in [ShardMap(count: 1), ShardMap(count: 3), ShardMap(count: 2, ignoredBits: 3)] {
            for shard in 0..<map.count {
                let ranges = map.ranges(of: shard)
                let space = TokenSpace(ranges)
                let slices = space.slices(count)
                #expect(slices.count == count)
                let joined = slices.flatMap(\.self).reduce(into: [TokenRange]()) { result, next in
                    if let last = result.last, last.last.value &+ 1 == next.first.value,
                        last.last < next.first
                    {
                        result[result.count - 1] = TokenRange(last.first, next.last)
                    } else {
                        result.append(next)
                    }
                }
                // Neighbouring shards' windows may touch.
                let whole = ranges.reduce(into: [TokenRange]()) { result, next in
                    if let last = result.last, last.last.value &+ 1 == next.first.value,
                        last.last < next.first
                    {
                        result[result.count - 1] = TokenRange(last.first, next.last)
                    } else {
                        result.append(next)
                    }
                }
                #expect(joined == whole)
                for slice in slices {
                    let share = slice.reduce(0) { $0 + space.share(of: $1) }
                    #expect(abs(share - 1 / Double(count)) < 1e-6)
                }
            }
        }
    }
}
