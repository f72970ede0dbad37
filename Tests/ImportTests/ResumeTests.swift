// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Import
import Model
import Synchronization
import Testing

@Suite("Interrupted imports")
struct ResumeTests {
    private static let table = Fixture.table(["id": .int, "v": .text])

    /// 50 records in two files, 5 of them bad.
    private func prepare(_ fixture: Fixture) throws {
        for (path, range) in [("a.csv", 0..<30), ("b.csv", 30..<50)] {
            let lines = range.map { $0 % 10 == 3 ? "x\($0),\"bad\n\"" : "\($0),\"v\n\($0)\"" }
            try fixture.write(path, "id,v\n" + lines.joined(separator: "\n") + "\n")
        }
    }

    private func check(_ fixture: Fixture, _ summary: ImportJob.Summary) throws {
        #expect(summary == ImportJob.Summary(read: 50, written: 45, rejected: 5))
        #expect(fixture.target.rowCount == 45)
        let rejects = try #require(try fixture.read("demo.t.rejects.csv"))
        for (file, id) in [("a", 3), ("a", 13), ("a", 23), ("b", 33), ("b", 43)] {
            let count = rejects.split(separator: "\n").count { $0.contains("\"x\(id),") }
            #expect(count == 1, "x\(id) of \(file).csv stands once in the reject file")
        }
        #expect(try fixture.read("demo.t.import-state") == nil)
    }

    @Test("After a stop at any batch, the same command gives every row once, and the exact count")
    func everyBoundary() async throws {
        var stops = 0
        for batch in 1...13 {
            for inFlight in [1, 3] {
                let fixture = Fixture(Self.table)
                try prepare(fixture)
                var options = fixture.options("a.csv", "b.csv")
                options.batchesInFlight = inFlight
                fixture.target.state.withLock { $0.interruptAt = batch }
                let error = await importError { () throws(ImportError) in
                    try await fixture.run(options)
                }
                guard error != nil else { continue }
                stops += 1
                #expect(error?.exitCode == ImportExit.interrupted)
                let second = fixture.job(options, fixture.target)
                let resumed = ImportJob(
                    options: second.options,
                    environment: second.environment,
                    target: fixture.target,
                    output: second.output
                )
                try check(fixture, try await resumed.run())
                #expect(fixture.said.text.contains("resuming at "))
            }
        }
        #expect(stops > 15)
    }

    @Test("After a failed batch, nothing that the state calls written is missing")
    func failures() async throws {
        for batch in 1...12 {
            let fixture = Fixture(Self.table)
            try prepare(fixture)
            let options = fixture.options("a.csv", "b.csv")
            fixture.target.state.withLock { $0.failAt = batch }
            let error = await importError { () throws(ImportError) in try await fixture.run(options)
            }
            #expect(error?.exitCode == ImportExit.failure)
            #expect(error?.description.contains("the target failed as the test asked") == true)
            try check(fixture, try await fixture.run(options))
        }
    }

    @Test("Any failing file operation leaves an import that can be repeated to the exact rows")
    func fileFaults() async throws {
        var operation = 1
        while true {
            let fixture = Fixture(Self.table)
            try prepare(fixture)
            let faulty = FaultInjectingFileSystem(
                wrapping: fixture.files,
                plan: .transient(operation)
            )
            let plain = fixture.job(fixture.options("a.csv", "b.csv"), fixture.target)
            let job = ImportJob(
                options: plain.options,
                environment: Environment(
                    fileSystem: faulty,
                    clock: fixture.clock,
                    random: SeededRandom(seed: 1),
                    background: ManualExecutor(clock: fixture.clock)
                ),
                target: fixture.target,
                output: plain.output
            )
            let error = await importError { () throws(ImportError) in try await job.run() }
            if !faulty.fired { break }
            if error != nil { try check(fixture, try await plain.run()) }
            operation += 1
        }
        #expect(operation > 10)
    }

    @Test("A changed file or other arguments are not mistaken for the interrupted import")
    func otherImports() async throws {
        let fixture = Fixture(Self.table)
        try prepare(fixture)
        var options = fixture.options("a.csv", "b.csv")
        fixture.target.state.withLock { $0.failAt = 5 }
        _ = await importError { () throws(ImportError) in try await fixture.run(options) }
        options.nulls = ["-"]
        let other = await importError { () throws(ImportError) in try await fixture.run(options) }
        #expect(other?.description.contains("belongs to another import") == true)
        options.nulls = nil
        try fixture.write("b.csv", "id,v\n1,a\n")
        let changed = await importError { () throws(ImportError) in try await fixture.run(options) }
        #expect(changed?.description.contains("the files differ") == true)
        #expect(changed?.exitCode == ImportExit.usage)
        options.fresh = true
        #expect(try await fixture.run(options).read == 31)
    }

    @Test("A damaged state file is refused")
    func damagedState() async throws {
        let fixture = Fixture(Self.table)
        try prepare(fixture)
        let options = fixture.options("a.csv", "b.csv")
        fixture.target.state.withLock { $0.failAt = 5 }
        _ = await importError { () throws(ImportError) in try await fixture.run(options) }
        let state = try #require(try fixture.read("demo.t.import-state"))
        try fixture.write("demo.t.import-state", state.replacing("at 0", with: "at 1"))
        let error = await importError { () throws(ImportError) in try await fixture.run(options) }
        #expect(error?.description.contains("is damaged or no import state") == true)
    }
}
