// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@Suite("Tokens and shards")
struct TokenTests {
    @Test("A shard's ranges are exactly the tokens that the shard rule gives it", arguments: [
        (1, 0), (2, 0), (3, 0), (7, 0), (1, 12), (2, 12), (3, 5), (16, 3),
    ])
    func rangesAgreeWithRule(count: Int, ignoredBits: Int) {
        let map = ShardMap(count: count, ignoredBits: ignoredBits)
        var covered = 0
        for shard in 0..<count {
            for range in map.ranges(of: shard) {
                #expect(map.shard(of: range.first) == shard)
                #expect(map.shard(of: range.last) == shard)
                if range.first > .min {
                    let before = Token(range.first.value - 1)
                    #expect(count == 1 || map.shard(of: before) != shard)
                }
                covered += 1
            }
        }
        #expect(covered == count << ignoredBits)
    }

    @Test("A UUID's text and bytes lead back to it")
    func uuid() throws {
        let uuid = try #require(UUID("5b6962dd-3f90-4c93-8f61-eabfa4a803e2"))
        #expect(uuid.description == "5b6962dd-3f90-4c93-8f61-eabfa4a803e2")
        #expect(uuid.bytes.withView { UUID($0) } == uuid)
        #expect(UUID("5b6962dd-3f90-4c93-8f61-eabfa4a803e") == nil)
    }
}
