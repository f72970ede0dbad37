// SPDX-License-Identifier: Apache-2.0

import Environment
@testable import ModelTest
import Testing

/// The n-th operation on files fails, once or from then on, or the disk is full from the n-th append.
@Suite struct FaultTests {
    enum Kind: CaseIterable { case transient, persistent, diskFull }

    /// What fails, the n-th operation after `before` being the first.
    private func plan(_ kind: Kind, _ n: Int, _ before: Int) -> FaultPlan {
        switch kind {
        case .transient: return .transient(before + n)
        case .persistent: return .persistent(before + n)
        case .diskFull:
            let appends = Box(0)
            return .matching { operation, _ in
                if operation == .append { appends.value += 1 }
                return appends.value >= n && (operation == .append || operation == .create)
            }
        }
    }

    @Test(arguments: FaultScenario.all, Kind.allCases)
    func whatWasAcknowledgedIsThere(scenario: FaultScenario, kind: Kind) throws {
        let prepared = try PreparedScenario(scenario)
        // In the sample, the kinds of fault try different operations.
        let step = Effort.isThorough ? 1 : 17
        var n = Effort.isThorough ? 1 : 1 + (Kind.allCases.firstIndex(of: kind) ?? 0) * 2
        var count = 0
        while true {
            let (run, faults) = try prepared.run(
                { plan(kind, n, $0) },
                reason: kind == .diskFull ? .diskFull : .injected
            )
            guard faults.fired else { break }
            do {
                try check(run, faults, n)
            } catch {
                Issue.record("\(scenario.testDescription), \(kind), n = \(n): \(error)")
            }
            count += 1
            n += step
        }
        #expect(count > 0, "the scenario has become too small")
    }

    private func check(
        _ run: ModelRun,
        _ faults: FaultInjectingFileSystem,
        _ n: Int
    ) throws {
        if n % 2 == 0 {
            // The disk works again: the node goes on if it may, and can in any case be closed.
            faults.plan = .none
            if run.isCertain {
                try run.checkAll()
                try run.perform(.advance(seconds: 61))
                try run.checkAll()
            }
            try run.attempt([.restart(shardCount: 2)])
        }
        for mode in [MemoryFileSystem.Unsynced.all, .none] {
            let again = try ModelRun(run.options, after: run.moment(mode), shardCount: 1 + n % 3)
            if n % 4 == 1 { try again.finish() } else { try again.checkAll() }
        }
    }
}
