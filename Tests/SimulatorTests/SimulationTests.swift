// SPDX-License-Identifier: Apache-2.0

import Environment
import Simulator
import Testing

/// Whole simulations, most of one node.
@Suite struct SimulationTests {
    private func options(_ seed: UInt64, seconds: UInt64 = 20) -> SimulationOptions {
        var options = SimulationOptions(seed: seed)
        options.duration = seconds * SimulatedTime.second
        return options
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func sameSeedGivesTheSameRun(seed: UInt64) {
        let runs = [0, 1].map { _ in Simulation.run(options(seed)) }
        #expect(runs[0].hash == runs[1].hash)
        #expect(runs[0].eventCount == runs[1].eventCount)
        #expect(runs[0].answered > 50)
        #expect(runs[0].hash != Simulation.run(options(seed + 100)).hash)
    }

    @Test func sameSeedGivesTheSameRunOfACluster() {
        var options = options(7, seconds: 5)
        options.nodeCount = 3
        let runs = [0, 1].map { _ in Simulation.run(options) }
        #expect(runs[0].hash == runs[1].hash)
        #expect(runs[0].eventCount == runs[1].eventCount)
        #expect(runs[0].answered > 50)
    }

    @Test func clusterWithoutFaultsKeepsItsPromises() {
        var options = options(8, seconds: 5)
        options.nodeCount = 3
        options.faults = []
        #expect(Simulation.run(options).violations == [])
    }

    @Test func watchingARunDoesNotChangeIt() {
        let lines = Box(0)
        let watched = Simulation.run(options(4)) { _ in lines.value += 1 }
        #expect(lines.value == watched.eventCount)
        #expect(watched.hash == Simulation.run(options(4)).hash)
    }

    @Test(arguments: 10..<20 as Range<UInt64>)
    func nodeKeepsItsPromisesUnderAllFaults(seed: UInt64) {
        let result = Simulation.run(options(seed))
        #expect(result.violations == [])
        // Histories with many unknown outcomes: the search gives up.
        #expect(result.undecided < 10)
    }

    @Test func nodeWithoutFaultsRefusesNothing() {
        var options = options(5)
        options.faults = []
        options.workloads = [.conditional, .register, .set, .batch]
        let result = Simulation.run(options)
        #expect(result.violations == [])
        #expect(result.refused == 0)
        #expect(result.unknown == 0)
    }

    /// The seeds within which each is found; docs/simulation.md has what was measured.
    @Test(arguments: [PlantedBugs.acknowledgeBeforeSync, .purgeTombstoneEarly])
    func plantedBugIsFound(bug: PlantedBugs) {
        let isFound = (1...UInt64(20)).contains { seed in
            var options = options(seed, seconds: 60)
            options.planted = bug
            return !Simulation.run(options).violations.isEmpty
        }
        #expect(isFound)
    }
}
