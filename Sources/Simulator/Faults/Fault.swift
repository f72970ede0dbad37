// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// What can go wrong in a world.
package enum FaultKind: String, Sendable, CaseIterable {
    case crash
    case partition
    case oneWay = "one-way"
    case loss
    case delay
    case duplication
    case slowNode = "slow-node"
    case slowDisk = "slow-disk"
    case fullDisk = "full-disk"
    case readErrors = "read-errors"
    case writeErrors = "write-errors"
    case bitFlips = "bit-flips"
    case clockJump = "clock-jump"
    case clockDrift = "clock-drift"
    case join
    case decommission
    case replace
    case move
    case repair

    /// Whether it needs several nodes.
    package var needsCluster: Bool { isOfNetwork || isOperation }

    /// Whether it happens to messages between nodes.
    package var isOfNetwork: Bool {
        switch self {
        case .partition, .oneWay, .loss, .delay, .duplication: true
        default: false
        }
    }

    /// Whether it is what an operator does, and no fault of anything.
    package var isOperation: Bool {
        switch self {
        case .join, .decommission, .replace, .move, .repair: true
        default: false
        }
    }

    /// Whether it happens to a process, and so needs one that runs.
    package var needsProcess: Bool {
        switch self {
        case .clockJump, .clockDrift, .join, .replace: false
        default: !isOfNetwork
        }
    }

    /// What `amount` says, for people.
    package var meaning: String {
        switch self {
        case .crash:
            "a node loses its power, or its process is killed (`all`), and is started again after the time;"
                + " amount: after so many file operations"
        case .partition: "the nodes of the bits of amount, and all others, don't reach each other"
        case .oneWay: "nothing gets from the node to node amount"
        case .loss: "amount of 1,000 messages are lost"
        case .delay: "messages are late by up to amount ms"
        case .duplication: "amount of 1,000 messages arrive twice"
        case .slowNode: "every job of a node takes about amount ms"
        case .slowDisk: "every wait for a node's disk takes about amount ms"
        case .fullDisk: "a node's disk has room for amount bytes more"
        case .readErrors: "amount of 1,000 reads of a node's files fail"
        case .writeErrors:
            "amount of 1,000 writes, syncs and changes of names fail; then the process is started again"
        case .bitFlips: "in amount of 1,000 reads of SSTables one bit is wrong"
        case .clockJump: "a node's wall clock is set forward by amount ms, or back"
        case .clockDrift: "a node's clocks are too fast by amount millionths, or too slow"
        case .join: "a new node joins"
        case .decommission: "a node gives its rows to the others and leaves"
        case .replace: "a node is lost with its disk, and a new one takes its place"
        case .move: "a node gets other tokens"
        case .repair: "a node's ranges are repaired"
        }
    }
}

/// One thing that goes wrong: when, where, for how long and how much. The text of one is what is printed
/// and read again:
///
///     12.345s crash node=1 for=2.000s amount=17 kept=torn
package struct Fault: Hashable, Sendable, CustomStringConvertible {
    /// Milliseconds after the beginning.
    package var time: Int
    package var kind: FaultKind
    package var node: Int
    /// Milliseconds.
    package var duration: Int
    /// As `FaultKind.meaning` says.
    package var amount: Int
    /// What a crash leaves of what was not synced.
    package var kept: SimulatedDisk.Kept

    package init(
        time: Int,
        kind: FaultKind,
        node: Int = 0,
        duration: Int = 0,
        amount: Int = 0,
        kept: SimulatedDisk.Kept = .torn
    ) {
        self.time = time
        self.kind = kind
        self.node = node
        self.duration = duration
        self.amount = amount
        self.kept = kept
    }

    package var description: String {
        var text = "\(Fault.seconds(time)) \(kind.rawValue) node=\(node)"
        if duration > 0 { text += " for=\(Fault.seconds(duration))" }
        if amount != 0 { text += " amount=\(amount)" }
        if kind == .crash { text += " kept=\(kept.rawValue)" }
        return text
    }

    /// Reads what `description` wrote; nil if it isn't a fault.
    package init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count >= 2, let time = Fault.milliseconds(words[0]),
            let kind = FaultKind(rawValue: String(words[1]))
        else { return nil }
        self.init(time: time, kind: kind)
        for word in words.dropFirst(2) {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            switch parts[0] {
            case "node":
                guard let value = Int(parts[1]), value >= 0 else { return nil }
                node = value
            case "for":
                guard let value = Fault.milliseconds(parts[1]) else { return nil }
                duration = value
            case "amount":
                guard let value = Int(parts[1]) else { return nil }
                amount = value
            case "kept":
                guard let value = SimulatedDisk.Kept(rawValue: String(parts[1])) else { return nil }
                kept = value
            default: return nil
            }
        }
    }

    private static func seconds(_ milliseconds: Int) -> String {
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest + "s"
    }

    private static func milliseconds(_ text: some StringProtocol) -> Int? {
        guard text.hasSuffix("s"), let value = Double(String(text.dropLast())), value >= 0, value < 1e9
        else { return nil }
        return Int((value * 1000).rounded())
    }
}
