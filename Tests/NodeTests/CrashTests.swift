// SPDX-License-Identifier: Apache-2.0

import Environment
@testable import ModelTest
import Testing

/// A power loss before and after every operation on files.
@Suite struct CrashTests {
    /// A clone before each operation, in each of the three ways when there is time for all.
    @Test(arguments: FaultScenario.all) func everyMomentRecovers(scenario: FaultScenario) throws {
        let moments = Box<[(place: String, moment: ModelMoment)]>([])
        let count = Box(0)
        let isThorough = Effort.isThorough
        let finished = try PreparedScenario(scenario).run({ _ in .none }) { run, operation, path in
            let modes: [MemoryFileSystem.Unsynced] = [.none, .seeded(UInt64(count.value)), .all]
            // In the sample every other operation, each mode in its turn.
            for (index, mode) in modes.enumerated() where isThorough || count.value % 6 == 2 * index {
                let what = operation.map { "\($0.rawValue) \(path)" } ?? "the end"
                let place = "before operation \(count.value), \(what), \(mode) of the unsynced kept"
                moments.value.append((place, run.moment(mode)))
            }
            count.value += 1
        }
        #expect(finished.run.isCertain)
        try finished.run.checkAll()
        #expect(count.value > 10, "the scenario has become too small")
        for (index, (place, moment)) in moments.value.enumerated() {
            do {
                let run = try ModelRun(finished.run.options, after: moment, shardCount: 1 + index % 3)
                if index % 4 == 0 { try run.finish() } else { try run.checkAll() }
            } catch {
                Issue.record("\(place): \(error)")
            }
        }
    }

    /// The scenarios do all that touches files.
    @Test func scenariosDoEverything() throws {
        let done = Box<Set<String>>([])
        for scenario in FaultScenario.all {
            _ = try PreparedScenario(scenario).run({ _ in .none }) { _, operation, path in
                guard let operation else { return }
                done.value.insert("\(operation.rawValue) \(CrashTests.kind(path))")
            }
        }
        let expected = [
            "create data", "append data", "sync data", "rename data", "open data", "read data",
            "remove data", "sync folder data", "create folder data", "remove folder data", "list data",
            "create manifest", "append manifest", "sync manifest", "remove manifest",
            "sync folder manifest", "rename CURRENT", "create CURRENT", "list manifest",
            "create commitlog", "append commitlog", "sync commitlog", "remove commitlog",
            "sync folder commitlog", "open commitlog", "list commitlog", "create metadata",
            "append metadata", "sync metadata", "rename metadata", "remove metadata",
            "sync folder metadata", "lock lock",
        ]
        #expect(expected.filter { !done.value.contains($0) } == [])
    }

    private static func kind(_ path: String) -> String {
        let parts = path.dropFirst(TestNode.root.count + 1).split(separator: "/")
        if parts.last?.hasPrefix("CURRENT") == true { return "CURRENT" }
        return parts.first.map(String.init) ?? "root"
    }
}
