// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// Runs the seeds that a command line asks for, and says what came of them.
struct SimulationRunner {
    private let command: SimulateCommand
    private let options: SimulationOptions
    private let clock = SystemClock()
    private let start: UInt64
    private var totals = Totals()
    private var failed: [UInt64] = []

    /// What all seeds came to.
    struct Totals {
        var seeds = 0
        var virtualTime: UInt64 = 0
        var events = 0
        var answered = 0
        var refused = 0
        var unknown = 0
        var starts = 0
        var undecided = 0
        var faults: [FaultKind: Int] = [:]

        mutating func add(_ result: SimulationResult) {
            seeds += 1
            virtualTime += result.virtualTime
            events += result.eventCount
            answered += result.answered
            refused += result.refused
            unknown += result.unknown
            starts += result.starts
            undecided += result.undecided
            for (kind, count) in result.faults { faults[kind, default: 0] += count }
        }
    }

    init(_ command: SimulateCommand, _ options: SimulationOptions) {
        self.command = command
        self.options = options
        start = clock.monotonicNanoseconds()
    }

    private var tracer: ((String) -> Void)? {
        command.trace ? { SimulateOutput.line($0) } : nil
    }

    private var elapsed: Double { Double(clock.monotonicNanoseconds() - start) / 1e9 }

    /// - Returns: whether nothing was found.
    mutating func run() throws -> Bool {
        var isSame = true
        for index in 0..<command.seeds {
            if let limit = command.seconds, elapsed > Double(limit) { break }
            let seed = command.seed &+ UInt64(index) &* command.step
            note(seed)
            SimulateOutput.progress(
                "seed \(seed): \(totals.seeds) done, \(failed.count) failed,"
                    + " \(SimulateOutput.tenths(elapsed)) s"
            )
            var options = options
            options.seed = seed
            if command.printSchedule { SimulateOutput.line(options.plan.text) }
            let result = Simulation.run(options, trace: tracer)
            totals.add(result)
            if command.checkDeterminism { isSame = check(options, result) && isSame }
            if !result.violations.isEmpty {
                failed.append(seed)
                report(options, result)
                if failed.count >= command.failures { break }
            }
        }
        SimulateOutput.progress("")
        summarize()
        return isSame && failed.isEmpty
    }

    /// Leaves the seed where it is found if a run stops the process.
    private func note(_ seed: UInt64) {
        guard let path = command.status else { return }
        let files = POSIXFileSystem()
        // Whoever watches sees an old seed if this fails; nothing depends on it.
        guard let file = try? files.create(path) else { return }
        _ = try? Array("\(seed)\n".utf8).withView { try file.append($0) }
        file.close()
    }

    private func check(_ options: SimulationOptions, _ result: SimulationResult) -> Bool {
        let again = Simulation.run(options)
        let hashes = [result.hash, again.hash].map { String($0, radix: 16) }
        if hashes[0] == hashes[1] {
            SimulateOutput.line("seed \(options.seed): \(hashes[0]) twice, \(result.eventCount) events")
            return true
        }
        SimulateOutput.line(
            "seed \(options.seed): NOT DETERMINISTIC: \(hashes[0]) of \(result.eventCount) events, then"
                + " \(hashes[1]) of \(again.eventCount)"
        )
        return false
    }

    // MARK: Reports

    private func report(_ options: SimulationOptions, _ result: SimulationResult) {
        SimulateOutput.progress("")
        SimulateOutput.line("seed \(options.seed): \(result.violations.count) violations")
        for violation in result.violations.prefix(10) { SimulateOutput.line("  \(violation)") }
        if result.violations.count > 10 {
            SimulateOutput.line("  and \(result.violations.count - 10) more")
        }
        SimulateOutput.line("  replay: \(replay(options.seed))")
        guard command.shrink, options.schedule == nil else { return }
        let workload = result.violations[0].workload
        let (schedule, runs) = Shrinking.shrink(options.plan, runsMax: 60) { schedule in
            var options = options
            options.schedule = schedule
            return Simulation.run(options).violations.contains { $0.workload == workload }
        }
        let count = options.plan.faults.count
        SimulateOutput.line(
            "  \(schedule.faults.count) of \(count) faults are enough for it (\(runs) runs); with them in"
                + " a file: \(replay(options.seed)) --schedule FILE"
        )
        for fault in schedule.faults { SimulateOutput.line("    \(fault)") }
    }

    private func replay(_ seed: UInt64) -> String {
        var text = "tholos simulate --seed \(seed)"
        if command.nodes != 1 { text += " --nodes \(command.nodes)" }
        if command.minutes != 1 { text += " --minutes \(command.minutes)" }
        if command.faults != "all" { text += " --faults \(command.faults)" }
        if command.workload != "all" { text += " --workload \(command.workload)" }
        if let planted = command.planted { text += " --planted \(planted)" }
        return text
    }

    private func summarize() {
        let hours = Double(totals.virtualTime) / 1e9 / 3600
        let speed = Double(totals.virtualTime) / 1e9 / max(elapsed, 1e-9)
        let faults = FaultKind.allCases.compactMap { kind in
            totals.faults[kind].map { "\(kind.rawValue) \($0)" }
        }
        SimulateOutput.line(
            """
            seeds        \(totals.seeds), of which \(failed.count) failed
            time         \(thousandths(hours)) hours in \(SimulateOutput.tenths(elapsed)) s: \
            \(Int(speed)) times as fast
            events       \(totals.events)
            operations   \(totals.answered) answered, \(totals.refused) refused, \
            \(totals.unknown) with an unknown outcome
            faults       \(totals.faults.values.reduce(0, +))\
            \(faults.isEmpty ? "" : ": " + faults.joined(separator: ", "))
            starts       \(totals.starts)
            undecided    \(totals.undecided) histories
            """
        )
        if !failed.isEmpty {
            let seeds = failed.map { "\($0)" }.joined(separator: ", ")
            SimulateOutput.line("FAILED       seeds \(seeds)")
        }
    }

    private func thousandths(_ value: Double) -> String {
        let all = Int((value * 1000).rounded())
        let rest = String(all % 1000)
        return "\(all / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
