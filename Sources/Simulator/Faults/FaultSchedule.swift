// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// All that goes wrong in one run, in order of time: drawn from the seed, printed, read and shrunk.
package struct FaultSchedule: Hashable, Sendable {
    package var faults: [Fault]

    package init(_ faults: [Fault] = []) {
        self.faults = faults.sorted { $0.time < $1.time }
    }

    /// Draws a schedule of some of `kinds` over `duration` milliseconds: one fault in five seconds on the
    /// average, of kinds that this run has at all, so that some runs have crashes alone and others
    /// everything.
    package init(
        seed: UInt64,
        kinds: Set<FaultKind>,
        nodeCount: Int,
        duration: Int
    ) {
        var random = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x6661_756c_7473))
        let possible = FaultKind.allCases.filter { kinds.contains($0) && (nodeCount > 1 || !$0.needsCluster) }
        var chosen = possible.filter { _ in random.pick(0...2) > 0 }
        if chosen.isEmpty { chosen = possible }
        var faults: [Fault] = []
        let pause = [2000, 5000, 5000, 10_000][random.pick(0...3)]
        var time = 0
        // Those that come later have their faults, too.
        var nodes = nodeCount
        while !chosen.isEmpty {
            time += random.pick(1...pause * 2)
            guard time < duration else { break }
            let kind = chosen[random.pick(0...chosen.count - 1)]
            faults.append(FaultSchedule.draw(kind, at: time, nodes, &random))
            if kind == .join || kind == .replace { nodes += 1 }
        }
        self.init(faults)
    }

    private static func draw(
        _ kind: FaultKind,
        at time: Int,
        _ nodeCount: Int,
        _ random: inout SplitMix64
    ) -> Fault {
        let node = random.pick(0...nodeCount - 1)
        var fault = Fault(time: time, kind: kind, node: node, duration: random.pick(500...10_000))
        switch kind {
        case .crash:
            fault.duration = [10, 500, 3000, 15_000][random.pick(0...3)]
            // Half of them in the middle of something that writes.
            fault.amount = random.pick(0...1) == 0 ? 0 : random.pick(1...200)
            fault.kept = [.torn, .torn, .none, .all][random.pick(0...3)]
        case .partition: fault.amount = random.pick(1...max(1, (1 << nodeCount) - 2))
        case .oneWay: fault.amount = (node + random.pick(1...max(1, nodeCount - 1))) % nodeCount
        case .loss: fault.amount = [5, 50, 200, 500][random.pick(0...3)]
        case .delay: fault.amount = [5, 50, 500, 3000][random.pick(0...3)]
        case .duplication: fault.amount = [10, 100, 500][random.pick(0...2)]
        case .slowNode: fault.amount = [1, 5, 20][random.pick(0...2)]
        case .slowDisk: fault.amount = [5, 50, 500][random.pick(0...2)]
        case .fullDisk: fault.amount = [0, 100, 4000, 40_000][random.pick(0...3)]
        case .readErrors: fault.amount = [5, 50, 500][random.pick(0...2)]
        case .writeErrors: fault.amount = [5, 50, 500][random.pick(0...2)]
        case .bitFlips: fault.amount = [5, 50, 500][random.pick(0...2)]
        case .clockJump:
            fault.duration = 0
            fault.amount = [10, 500, 10_000, 3_600_000][random.pick(0...3)] * (random.pick(0...1) * 2 - 1)
        case .clockDrift:
            fault.amount = [20, 500, 50_000][random.pick(0...2)] * (random.pick(0...1) * 2 - 1)
        case .join, .decommission, .replace, .move, .repair: fault.duration = 0
        }
        return fault
    }

    /// A line a fault.
    package var text: String { faults.map { "\($0)\n" }.joined() }

    /// Reads a schedule; empty lines and lines that begin with "#" are passed over.
    package init(text: String) throws(ScheduleError) {
        var faults: [Fault] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let fault = Fault(line) else {
                throw ScheduleError(line: index + 1, text: String(line))
            }
            faults.append(fault)
        }
        self.init(faults)
    }
}

/// A line that isn't a fault.
package struct ScheduleError: Error, CustomStringConvertible {
    let line: Int
    let text: String

    package var description: String {
        "line \(line) of the schedule is not a fault: \"\(text)\"; one looks like"
            + " \"12.345s crash node=1 for=2.000s amount=17 kept=torn\""
    }
}
