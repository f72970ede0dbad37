// SPDX-License-Identifier: Apache-2.0

import Environment
@testable import ModelTest
import Testing

/// Random histories of a node, compared with a model. `tools/model-test` runs millions of operations.
@Suite struct EngineModelTests {
    @Test(arguments: Effort.modelSeeds) func nodeAgreesWithTheModel(seed: UInt64) {
        let failure = ModelHistory(seed: seed, operationCount: 600).failure(shrinkingFor: 20)
        #expect(failure == nil, "\(failure ?? "")")
    }

    /// Other histories each time. A failure says which it was.
    @Test func newHistoriesAgreeWithTheModel() {
        let clock = SystemClock()
        let first = UInt64(clock.microsecondsSinceEpoch())
        let end = clock.monotonicNanoseconds() + 3_000_000_000
        var seed = first
        repeat {
            let failure = ModelHistory(seed: seed, operationCount: 600).failure(shrinkingFor: 20)
            #expect(failure == nil, "\(failure ?? "")")
            seed += 1
        } while clock.monotonicNanoseconds() < end
    }

    /// Without this, all histories could be of nothing.
    @Test func aRunFindsWhatIsWrong() throws {
        let run = try ModelRun(try #require(ModelOptions("shards=2")))
        let fragment = ModelFragment(liveness: (5, 0))
        let clustering = ModelClustering(first: 1, second: 2)
        try run.perform(.write([ModelWrite(table: 0, partition: 1, change: .row(clustering, fragment))]))
        let row = ModelRow(partition: 1, clustering: clustering)
        try run.perform(.get(table: 0, row: row))
        // A row that only the model has heard of.
        let key = row.key(ModelTables.partitions[1])
        run.state.models[0].delete(partition: ModelTables.partitions[1], row: key, until: 6, localTime: 0)
        #expect(throws: ModelMismatch.self) { try run.perform(.get(table: 0, row: row)) }
        #expect(throws: ModelMismatch.self) { try run.perform(.scan(table: 0, limit: 10)) }
        #expect(throws: ModelMismatch.self) { try run.finish() }
    }

    @Test func optionsAreReadAsTheyAreWritten() throws {
        for seed in 0..<50 as Range<UInt64> {
            let options = ModelOptions(seed: seed)
            #expect(ModelOptions(options.description) == options)
        }
        #expect(ModelOptions("nothing=1") == nil)
    }
}
