// SPDX-License-Identifier: Apache-2.0

import Bytes
import CAllocationCount
import Foundation
import Testing

@testable import Storage

@Suite("Block cache")
struct BlockCacheTests {
    private static func handle(_ index: Int) -> BlockHandle {
        BlockHandle(offset: index * 1_000, storedCount: 1_000)
    }

    private static func block(_ index: Int, count: Int = 900) -> Block {
        [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: count)
            .withView { Block(copying: $0) }
    }

    /// Asks for a block and adds it when it isn't there; whether it was.
    private static func touch(_ cache: BlockCache, _ index: Int, file: UInt64 = 1) -> Bool {
        if let found = cache.cached(handle(index), fileNumber: file) {
            #expect(found.view[0] == UInt8(truncatingIfNeeded: index))
            return true
        }
        cache.insert(block(index), handle(index), fileNumber: file)
        return false
    }

    @Test("It never takes more memory than it may, and finds what it holds")
    func bounded() {
        let cache = BlockCache(capacity: 100_000)
        var numbers = SeededNumbers(seed: 1)
        for _ in 0..<20_000 {
            let index = Int(numbers.next() % 300)
            _ = BlockCacheTests.touch(cache, index, file: numbers.next() % 3)
            #expect(cache.usedCount <= 100_000)
        }
        #expect(cache.usedCount > 90_000)
        #expect(cache.blockCount * BlockCacheTests.block(0).memoryCount == cache.blockBytes)
    }

    @Test("A scan does not drive out what is used again and again")
    func scanResistant() {
        let cache = BlockCache(capacity: 200_000)
        for _ in 0..<4 {
            for index in 0..<100 { _ = BlockCacheTests.touch(cache, index) }
        }
        for index in 1_000..<5_000 { _ = BlockCacheTests.touch(cache, index) }
        let kept = (0..<100).count { BlockCacheTests.touch(cache, $0) }
        #expect(kept >= 95)
    }

    @Test("What was used once is forgotten before what was used twice")
    func newBlocksLeaveFirst() {
        let cache = BlockCache(capacity: 50_000)
        _ = BlockCacheTests.touch(cache, 0)
        _ = BlockCacheTests.touch(cache, 0)
        for index in 1..<500 { _ = BlockCacheTests.touch(cache, index) }
        #expect(cache.cached(BlockCacheTests.handle(0), fileNumber: 1) != nil)
        #expect(cache.cached(BlockCacheTests.handle(1), fileNumber: 1) == nil)
    }

    @Test("A block that comes back soon stays longer")
    func ghosts() {
        let cache = BlockCache(capacity: 50_000)
        for index in 0..<100 { _ = BlockCacheTests.touch(cache, index) }
        let gone = (0..<100).filter {
            cache.cached(BlockCacheTests.handle($0), fileNumber: 1) == nil
        }
        let back = gone.suffix(10)
        for index in back { _ = BlockCacheTests.touch(cache, index) }
        for index in 1_000..<1_100 { _ = BlockCacheTests.touch(cache, index) }
        let kept = back.count { cache.cached(BlockCacheTests.handle($0), fileNumber: 1) != nil }
        #expect(kept >= 9)
    }

    @Test("The blocks of a file that is gone are forgotten, those of others stay")
    func removedFile() {
        let cache = BlockCache(capacity: 1 << 20)
        for index in 0..<100 {
            _ = BlockCacheTests.touch(cache, index, file: 1)
            _ = BlockCacheTests.touch(cache, index, file: 2)
        }
        cache.removeFile(1)
        #expect(cache.blockCount == 100)
        for index in 0..<100 {
            #expect(cache.cached(BlockCacheTests.handle(index), fileNumber: 1) == nil)
            #expect(BlockCacheTests.touch(cache, index, file: 2))
        }
        cache.removeFile(2)
        #expect(cache.blockBytes == 0 && cache.blockCount == 0)
        #expect(cache.usedCount == cache.tableBytes)
    }

    @Test("A block that would take much of the cache is not kept")
    func hugeBlock() {
        let cache = BlockCache(capacity: 100_000)
        cache.insert(
            BlockCacheTests.block(7, count: 50_000),
            BlockCacheTests.handle(7),
            fileNumber: 1
        )
        #expect(cache.blockCount == 0)
        let none = BlockCache(capacity: 0)
        _ = BlockCacheTests.touch(none, 1)
        #expect(none.usedCount == 0)
    }

    @Test(
        "What it counts is what it takes of the heap, and never more than it may",
        .enabled(if: allocation_counting()),
        arguments: [8_000, 60_000, 400_000]
    )
    func accounting(capacity: Int) {
        let cache = BlockCache(capacity: capacity)
        var numbers = SeededNumbers(seed: 7)
        let start = allocation_count().bytes
        allocation_peak_begin()
        var wrong = 0
        for step in 0..<20_000 {
            let index = Int(numbers.next() % 3_000)
            let count = 40 + index * index % 3_000
            if cache.cached(BlockCacheTests.handle(index), fileNumber: UInt64(index % 7)) == nil {
                cache.insert(
                    BlockCacheTests.block(index, count: count),
                    BlockCacheTests.handle(index),
                    fileNumber: UInt64(index % 7)
                )
            }
            if step % 5_000 == 4_999 { cache.removeFile(3) }
            // The rest of a piece of memory that was found for an allocation may be too small to be split
            // off.
            let rest = cache.usedCount - Int(allocation_count().bytes - start)
            if !(0...16 * (2 * cache.blockCount + 4)).contains(rest) { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(cache.blockCount > 0)
        // The test holds a block and an array with its content beside.
        #expect(allocation_count().peak - start <= capacity + 2 * 3_100)
        #expect(cache.tableBytes * 4 <= capacity)
    }

    /// Numbers below `count`, each as likely as the inverse of its place (s = 0.99).
    private struct Zipf {
        private var sums: [Double] = []

        init(count: Int) {
            var sum = 0.0
            for place in 1...count {
                sum += 1 / pow(Double(place), 0.99)
                sums.append(sum)
            }
        }

        func next(_ numbers: inout SeededNumbers) -> Int {
            let wanted = Double.random(in: 0..<(sums.last ?? 1), using: &numbers)
            var (low, high) = (0, sums.count)
            while low < high {
                let middle = (low + high) / 2
                if sums[middle] <= wanted { low = middle + 1 } else { high = middle }
            }
            return min(low, sums.count - 1)
        }
    }

    /// Of 60,000 point reads of a table of 20,000 blocks, the share that found their block: before, while
    /// and after a scan goes through all blocks, a block of it between each two of them, if `scans`.
    private static func hitRates(capacity: Int, scans: Bool) -> [Double] {
        let cache = BlockCache(capacity: capacity)
        let zipf = Zipf(count: 20_000)
        var numbers = SeededNumbers(seed: 11)
        // Places are mixed, so that what is read often doesn't stand together.
        func read() -> Bool { touch(cache, zipf.next(&numbers) * 7_919 % 20_000) }
        for _ in 0..<60_000 { _ = read() }
        var rates: [Double] = []
        for phase in 0..<3 {
            var hits = 0
            for number in 0..<20_000 {
                if read() { hits += 1 }
                if phase == 1, scans { _ = touch(cache, number) }
            }
            rates.append(Double(hits) / 20_000)
        }
        return rates
    }

    @Test(
        "A full scan between point reads of unequal frequency costs little of their hits",
        arguments: [5, 20]
    )
    func scanAmongPointReads(percent: Int) {
        let capacity = 20_000 * BlockCacheTests.block(0).memoryCount * percent / 100
        let alone = BlockCacheTests.hitRates(capacity: capacity, scans: false)
        let scanned = BlockCacheTests.hitRates(capacity: capacity, scans: true)
        let loss = zip(alone, scanned).map { $0 - $1 }
        #expect(loss[0] == 0)
        #expect(alone[1] > 0.6)
        #expect(loss[1] < 0.01, "while the scan runs")
        #expect(loss[2] < 0.01, "after it")
    }
}
