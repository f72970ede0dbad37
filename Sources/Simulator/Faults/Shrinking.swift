// SPDX-License-Identifier: Apache-2.0

/// Makes a schedule that fails smaller while it still fails: takes out ever smaller parts of it (Zeller and
/// Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
enum Shrinking {
    /// The smallest schedule that was found, and how many runs it took.
    ///
    /// - Parameters:
    ///   - runsMax: the most runs.
    ///   - fails: runs a schedule and says whether it fails in the same way.
    static func shrink(
        _ schedule: FaultSchedule,
        runsMax: Int,
        fails: (FaultSchedule) -> Bool
    ) -> (schedule: FaultSchedule, runs: Int) {
        var faults = schedule.faults
        var runs = 0
        var parts = 2
        if runsMax > 0, !faults.isEmpty {
            runs += 1
            if fails(FaultSchedule()) { return (FaultSchedule(), runs) }
        }
        while faults.count > 1, runs < runsMax {
            let size = max(1, (faults.count + parts - 1) / parts)
            var isSmaller = false
            var start = 0
            while start < faults.count, runs < runsMax {
                let end = min(start + size, faults.count)
                let rest = Array(faults[..<start] + faults[end...])
                runs += 1
                if !rest.isEmpty, fails(FaultSchedule(rest)) {
                    faults = rest
                    isSmaller = true
                } else {
                    start = end
                }
            }
            if isSmaller {
                parts = max(2, parts - 1)
            } else if size == 1 {
                break
            } else {
                parts = min(faults.count, parts * 2)
            }
        }
        return (FaultSchedule(faults), runs)
    }
}
