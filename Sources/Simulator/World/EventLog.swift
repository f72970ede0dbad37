// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// What has happened in a world, as one running hash: two runs with the same hash went the same way.
package final class EventLog {
    package enum Kind: UInt8, Sendable {
        case job = 1
        case message, messageLost
        case request, outcome
        case fault, start, crash, diskFault, notice
    }

    /// The hash of all events until now, their times and what they were.
    package private(set) var hash: UInt64
    /// How many events there were.
    package private(set) var count = 0
    private let trace: ((String) -> Void)?

    /// - Parameter trace: gets each event as a line of text; nil to do without the cost.
    package init(seed: UInt64, trace: ((String) -> Void)? = nil) {
        hash = SplitMix64.mixed(seed)
        self.trace = trace
    }

    /// Notes an event of the machine `machine` (-1 for none), described by two numbers and a text.
    func note(
        _ kind: Kind,
        at now: UInt64,
        machine: Int,
        _ first: UInt64 = 0,
        _ second: UInt64 = 0,
        detail: String = "",
        describe: () -> String = { "" }
    ) {
        count += 1
        mix(now)
        mix(UInt64(kind.rawValue) << 32 | UInt64(truncatingIfNeeded: machine) & 0xFFFF_FFFF)
        mix(first)
        mix(second)
        for byte in detail.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        guard let trace else { return }
        let place = machine < 0 ? "" : " node \(machine)"
        trace("\(SimulatedTime.text(now))\(place) \(kind) \(describe())\(detail)")
    }

    private func mix(_ value: UInt64) { hash = SplitMix64.mixed(hash ^ value) }
}

/// Spans of virtual time, in nanoseconds.
package enum SimulatedTime {
    package static let microsecond: UInt64 = 1000
    package static let millisecond: UInt64 = 1_000_000
    package static let second: UInt64 = 1_000_000_000
    package static let minute: UInt64 = 60_000_000_000

    /// `12.345678 s`.
    static func text(_ nanoseconds: UInt64) -> String {
        let micros = String(nanoseconds / 1000 % 1_000_000)
        let zeros = String(repeating: "0", count: 6 - micros.count)
        return "\(nanoseconds / second).\(zeros)\(micros) s"
    }
}
