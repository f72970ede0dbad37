// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import Storage

/// Seeks in one block against a sorted array.
@Suite("Block cursor")
struct BlockCursorTests {
    private func number(_ random: inout SplitMix, below bound: Int) -> Int {
        Int(random.next() % UInt64(bound))
    }

    /// Keys of few different bytes: many are prefixes of others, and neighbours share much.
    private func keys(_ count: Int, _ random: inout SplitMix) -> [[UInt8]] {
        var keys: Set<[UInt8]> = []
        while keys.count < count {
            let length = 1 + number(&random, below: 12)
            keys.insert((0..<length).map { _ in UInt8(97 + number(&random, below: 3)) })
        }
        return keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func block(_ keys: [[UInt8]], restartInterval: Int) -> Block {
        var builder = BlockBuilder(restartInterval: restartInterval, capacity: 4096)
        var last: [UInt8] = []
        for key in keys {
            key.withView { key in
                let shared = last.withView { $0.commonPrefixCount(key) }
                builder.append(key: key, shared: shared, value: key)
            }
            last = key
        }
        return Block(copying: builder.finish())
    }

    @Test("A seek finds what a sorted array has, and stepping goes on from there", arguments: 1...40)
    func seeksAgreeWithArray(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let keys = keys(1 + number(&random, below: 80), &random)
        let interval = [1, 2, 4, 16][number(&random, below: 4)]
        let cursor = BlockCursor()
        #expect(cursor.attach(block(keys, restartInterval: interval)))
        for _ in 0..<300 {
            let length = number(&random, below: 13)
            let target = (0..<length).map { _ in UInt8(96 + number(&random, below: 5)) }
            let after = keys.firstIndex { !$0.lexicographicallyPrecedes(target) }
            #expect(target.withView { cursor.seek(atOrAfter: $0) } == (after != nil))
            if let after {
                #expect(cursor.key.array == keys[after] && cursor.value.array == keys[after])
                #expect(cursor.next() == (after + 1 < keys.count))
                if after + 1 < keys.count { #expect(cursor.key.array == keys[after + 1]) }
            }
            let before = keys.lastIndex { !target.lexicographicallyPrecedes($0) }
            #expect(target.withView { cursor.seek(atOrBefore: $0) } == (before != nil))
            if let before {
                #expect(cursor.key.array == keys[before] && cursor.value.array == keys[before])
                #expect(cursor.previous() == (before > 0))
                if before > 0 { #expect(cursor.key.array == keys[before - 1]) }
            }
        }
    }
}
