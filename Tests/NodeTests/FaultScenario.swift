// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Node
import Testing

@testable import ModelTest

/// Work of a node in which every operation on files is crashed at and made to fail.
struct FaultScenario: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// How the engine is set up (`ModelOptions`).
    var options = "segment=4096"
    /// Whether the node is opened as part of the work.
    var isRecovery = false
    /// What was done before, with all going well.
    var preparation: @Sendable (inout Script) -> Void = { _ in }
    /// The work.
    let work: @Sendable (inout Script) -> Void

    /// Collects operations.
    struct Script {
        private(set) var operations: [ModelOperation] = []
        private var generator: ModelGenerator
        private let run: ModelRun

        init(_ run: ModelRun, seed: UInt64) {
            self.run = run
            generator = ModelGenerator(seed: seed, options: run.options)
        }

        mutating func write(_ count: Int) { operations += generator.writes(count: count, run) }

        mutating func flush(times: Int = 1, writing count: Int = 6) {
            for _ in 0..<times {
                write(count)
                operations.append(.flush)
            }
        }

        mutating func add(_ added: ModelOperation...) { operations += added }

        /// Rows are looked for, so that files are read.
        mutating func read() {
            for partition in ModelTables.partitions.indices {
                let clustering = ModelClustering(first: 1, second: 1)
                add(.get(table: 0, row: ModelRow(partition: partition, clustering: clustering)))
            }
            add(.scan(table: 1, limit: 10))
        }
    }

    /// Flushes after which compactions begin by themselves.
    private static func automatic(_ description: String, strategy: Int) -> FaultScenario {
        FaultScenario(
            testDescription: description,
            options: "automatic=1 strategy=\(strategy)",
            preparation: { $0.flush(times: 3) }
        ) { $0.flush(times: 2) }
    }

    static let all: [FaultScenario] = [
        FaultScenario(testDescription: "writes over several log segments") { $0.write(30) },
        FaultScenario(
            testDescription: "writes that are synced now and then",
            options: "segment=4096 period=10"
        ) { script in
            script.write(12)
            script.add(.advance(seconds: 1))
            script.flush()
            script.write(3)
        },
        FaultScenario(testDescription: "flushes") { script in
            script.flush(times: 2)
            script.read()
        },
        FaultScenario(testDescription: "flushes of full memtables", options: "memtable=2000") {
            script in
            script.write(25)
        },
        FaultScenario(
            testDescription: "a compaction",
            options: "block=1",
            preparation: { $0.flush(times: 3) }
        ) { script in
            script.add(.compact(table: 0), .compact(table: 1))
            script.read()
        },
        FaultScenario(
            testDescription: "a compaction that purges, of files that shards share",
            options: "shards=1 grace=60",
            preparation: { script in
                script.flush(times: 3)
                script.add(.restart(shardCount: 2), .advance(seconds: 1_000_000))
            }
        ) { script in
            script.add(.compact(table: 0), .compact(table: 1), .advance(seconds: 1))
            script.read()
        },
        automatic("compactions by themselves", strategy: 0),
        automatic("leveled compactions", strategy: 1),
        automatic("unified compactions", strategy: 3),
        FaultScenario(
            testDescription: "a compaction in slices, beside flushes",
            options: "strategy=4 grace=60",
            preparation: { script in
                script.flush(times: 3)
                script.add(.advance(seconds: 1_000_000))
            }
        ) { script in
            script.write(3)
            script.add(.startCompaction, .step(count: 4, salt: 1), .startFlush)
            script.write(3)
            script.add(.compact(table: 0), .compact(table: 1))
            script.read()
        },
        FaultScenario(
            testDescription: "the manifest written anew",
            options: "rewrite=100"
        ) { $0.flush(times: 4, writing: 2) },
        FaultScenario(
            testDescription: "changes of the schema",
            preparation: { $0.flush() }
        ) { script in
            script.add(.truncate(table: 0))
            script.flush(writing: 3)
            script.add(.recreate(table: 1), .renewColumn(table: 0, .a))
            script.write(3)
            script.add(.changeGrace(table: 0, seconds: 60), .truncate(table: 1))
        },
        FaultScenario(testDescription: "closing and opening with other shards") { script in
            script.flush()
            script.write(6)
            script.add(.restart(shardCount: 3))
            script.read()
        },
        FaultScenario(
            testDescription: "recovery",
            isRecovery: true,
            preparation: { script in
                script.flush()
                script.add(.truncate(table: 1))
                script.write(30)
            }
        ) { $0.read() },
    ]
}

/// A scenario whose preparation is done.
struct PreparedScenario {
    private let scenario: FaultScenario
    private let prepared: ModelRun
    private let work: [ModelOperation]

    init(_ scenario: FaultScenario) throws {
        self.scenario = scenario
        guard let options = ModelOptions("shards=2 memtable=40000 " + scenario.options) else {
            throw ModelMismatch(description: "not options: \(scenario.options)")
        }
        prepared = try ModelRun(options)
        var preparation = FaultScenario.Script(prepared, seed: 5)
        scenario.preparation(&preparation)
        for operation in preparation.operations { try prepared.perform(operation) }
        var script = FaultScenario.Script(prepared, seed: 6)
        scenario.work(&script)
        work = script.operations
    }

    /// Does the work while `faults` may fail, counting operations from the work's beginning.
    ///
    /// - Parameter watch: is told of each operation before it happens, and of nil at the end.
    func run(
        _ plan: (Int) -> FaultPlan,
        reason: FileError.Reason = .injected,
        watch: (@Sendable (ModelRun, FileError.Operation?, String) throws -> Void)? = nil
    ) throws -> (run: ModelRun, faults: FaultInjectingFileSystem) {
        let run = ModelRun(prepared, areFaulty: true)
        guard let faults = run.faults else { throw ModelMismatch(description: "no faults") }
        if !scenario.isRecovery { try run.open(shardCount: 2) }
        faults.reason = reason
        faults.plan = plan(faults.operations)
        let failure = Box<(any Error)?>(nil)
        if let watch {
            faults.onOperation = { operation, path in
                do { try watch(run, operation, path) } catch { failure.value = error }
            }
        }
        defer { faults.onOperation = nil }
        if scenario.isRecovery {
            do { try run.open(shardCount: 3) } catch is NodeError { return (run, faults) }
        }
        try run.attempt(work)
        faults.onOperation = nil
        try watch?(run, nil, "")
        if let failure = failure.value { throw failure }
        return (run, faults)
    }
}
