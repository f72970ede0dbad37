// SPDX-License-Identifier: Apache-2.0

import CAllocationCount
import CQLProtocol
import Testing

/// What a prepared INSERT takes from the heap doesn't depend on how many cells it writes.
///
/// Counted in release builds alone (`tools/allocation-test`): a debug build takes memory for loops.
@Suite("Allocations of a statement that writes")
struct WriteAllocationTests {
    private static var isCounted: Bool {
        #if DEBUG
            false
        #else
            allocation_counting()
        #endif
    }

    @Test("are the same for one cell and for sixty", .enabled(if: isCounted))
    func cells() throws {
        let processor = try TestProcessor(shardCount: 1)
        let columns = (0..<60).map { "v\($0)" }
        let definitions = columns.map { "\($0) int" }.joined(separator: ", ")
        for statement in [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "USE k", "CREATE TABLE t (p int PRIMARY KEY, \(definitions))",
        ] {
            #expect(processor.execute(statement) == "")
        }
        var counts: [Int] = []
        for count in [1, 20, 60] {
            let names = columns.prefix(count).joined(separator: ", ")
            let markers = repeatElement(", ?", count: count).joined()
            var values = BoundValuesBuilder()
            for number in 0...count { values.append(integer: Int32(number)) }
            counts.append(
                try processor.leastGrowth(
                    "INSERT INTO t (p, \(names)) VALUES (?\(markers))",
                    values.finish(),
                    rounds: 50
                ) { Int(allocation_count().allocations) }
            )
        }
        #expect(counts[0] == counts[1] && counts[1] == counts[2], "\(counts)")
        #expect(counts[0] < 12, "\(counts)")
    }
}
