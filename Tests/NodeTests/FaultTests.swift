// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// The n-th operation on the disk fails, once or from then on.
@Suite struct FaultTests {
    private func check(_ plan: FaultPlan, _ place: String) -> Bool {
        let fileSystem = MemoryFileSystem()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem, plan: plan)
        let scenario = EngineScenario()
        // What the scenario throws is the fault; what counts is what is left.
        try? scenario.run(faults)
        let known = scenario.known.value
        for mode in [MemoryFileSystem.Unsynced.all, .none] {
            let clone = fileSystem.crashClone(keepUnsynced: mode)
            EngineScenarioCheck.check(clone, known, "\(place), \(mode) of the rest kept")
        }
        return faults.fired
    }

    @Test(arguments: [false, true]) func theNthOperationFails(isPersistent: Bool) {
        // In the sample, the two kinds of fault try different operations.
        let step = Effort.isThorough ? 1 : 7
        var n = Effort.isThorough ? 1 : isPersistent ? 3 : 1
        while check(
            isPersistent ? .persistent(n) : .transient(n),
            "operation \(n) \(isPersistent ? "and all after it fail" : "fails")"
        ) {
            n += step
        }
        #expect(n > 300, "the scenario has become too small")
    }

    @Test func aFullDiskLosesNothing() {
        let whole = MemoryFileSystem()
        #expect(throws: Never.self) { try EngineScenario().run(whole) }
        let step = Effort.isThorough ? 97 : 997
        for capacity in stride(from: 0, to: 2 * whole.usedBytes, by: step) {
            let fileSystem = MemoryFileSystem()
            fileSystem.capacity = capacity
            let scenario = EngineScenario()
            try? scenario.run(fileSystem)
            let clone = fileSystem.crashClone(keepUnsynced: .none)
            clone.capacity = .max
            EngineScenarioCheck.check(clone, scenario.known.value, "\(capacity) bytes of disk")
        }
    }
}
