// SPDX-License-Identifier: Apache-2.0

@testable import Simulator
import Testing

/// Schedules of faults: their text, their drawing, and how they are made smaller.
@Suite struct FaultTests {
    @Test func everyFaultIsReadAsItWasPrinted() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            let schedule = FaultSchedule(
                seed: seed,
                kinds: Set(FaultKind.allCases),
                nodeCount: 5,
                duration: 60_000
            )
            #expect(try FaultSchedule(text: "# drawn\n\n" + schedule.text) == schedule)
        }
    }

    @Test func lineThatIsNoFaultIsNamed() {
        for line in ["1.0s", "1.0s quake node=1", "x crash", "1.0s crash node=-1", "1.0s crash kept=half"] {
            #expect(throws: ScheduleError.self) { try FaultSchedule(text: "1.0s crash node=0\n" + line) }
        }
    }

    @Test func oneNodeHasNoFaultsOfTheNetwork() {
        for seed in 1...100 as ClosedRange<UInt64> {
            let schedule = FaultSchedule(
                seed: seed,
                kinds: Set(FaultKind.allCases),
                nodeCount: 1,
                duration: 60_000
            )
            #expect(!schedule.faults.contains { $0.kind.isOfNetwork || $0.node != 0 })
        }
    }

    @Test func shrinkingLeavesWhatIsNeeded() {
        let faults = (0..<40).map { Fault(time: $0 * 1000, kind: .crash) }
        let needed: Set<Fault> = [faults[3], faults[17], faults[38]]
        let (schedule, runs) = Shrinking.shrink(FaultSchedule(faults), runsMax: 500) { schedule in
            needed.isSubset(of: schedule.faults)
        }
        #expect(Set(schedule.faults) == needed)
        #expect(runs < 200)
    }

    @Test func failureWithoutFaultsNeedsNone() {
        let faults = (0..<10).map { Fault(time: $0, kind: .slowDisk) }
        let (schedule, runs) = Shrinking.shrink(FaultSchedule(faults), runsMax: 100) { _ in true }
        #expect(schedule.faults.isEmpty)
        #expect(runs == 1)
    }
}
