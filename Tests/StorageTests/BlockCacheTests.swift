// SPDX-License-Identifier: Apache-2.0

import Bytes
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
        #expect(cache.blockCount == cache.usedCount / BlockCacheTests.block(0).memoryCount)
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
        #expect(cache.usedCount == 0)
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
}
