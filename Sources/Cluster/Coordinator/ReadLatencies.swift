// SPDX-License-Identifier: Apache-2.0

/// How long the reads of a table take, as its `speculative_retry` wants to know it.
///
/// Counts in steps of an eighth of a power of two of microseconds: a percentile is at most 12.5 % too high. What is old
/// counts ever less: all counts are halved now and then.
package struct ReadLatencies: Sendable {
    private static let stepsPerOctave = 8
    /// Up to 2^27 microseconds, more than two minutes.
    private static let octaves = 27
    /// The sum of the counts at which they are halved.
    private static let sumMax = 8192
    /// With fewer, a percentile says nothing.
    private static let sumMin = 100

    private var counts = [UInt32](repeating: 0, count: stepsPerOctave * octaves)
    private var sum = 0

    package init() {}

    /// Notes a read that took so many nanoseconds.
    package mutating func note(_ nanoseconds: UInt64) {
        counts[Self.step(of: nanoseconds / 1000)] += 1
        sum += 1
        guard sum >= Self.sumMax else { return }
        sum = 0
        for index in counts.indices {
            counts[index] /= 2
            sum += Int(counts[index])
        }
    }

    /// The time in nanoseconds within which that share of the reads ended; nil as long as there are too few.
    package func percentile(_ percent: Double) -> UInt64? {
        guard sum >= Self.sumMin else { return nil }
        let wanted = Double(sum) * percent / 100
        var seen = 0
        for (step, count) in counts.enumerated() where count > 0 {
            seen += Int(count)
            if Double(seen) >= wanted { return Self.end(of: step) * 1000 }
        }
        return Self.end(of: counts.count - 1) * 1000
    }

    private static func step(of microseconds: UInt64) -> Int {
        guard microseconds >= UInt64(stepsPerOctave) else { return Int(microseconds) }
        let octave = 63 - microseconds.leadingZeroBitCount
        let within = Int(microseconds >> (octave - 3)) & (stepsPerOctave - 1)
        return min((octave - 2) * stepsPerOctave + within, stepsPerOctave * octaves - 1)
    }

    /// The first number of microseconds behind a step.
    private static func end(of step: Int) -> UInt64 {
        guard step >= stepsPerOctave else { return UInt64(step) + 1 }
        let octave = step / stepsPerOctave + 2
        let within = UInt64(step % stepsPerOctave)
        return (UInt64(stepsPerOctave) + within + 1) << (octave - 3)
    }
}

/// After how long another replica is asked: a table's `speculative_retry`, in the form in which it is stored.
package enum SpeculationRule: Hashable, Sendable {
    case never, always
    case after(SpeculationTime)
    case min(SpeculationTime, SpeculationTime)
    case max(SpeculationTime, SpeculationTime)

    /// - Parameter text: `NEVER`, `ALWAYS`, `99p`, `50ms`, `MIN(99p,50ms)` or `MAX(99p,50ms)`; anything else is taken
    ///   for `99p`, Cassandra's default.
    package init(_ text: String) {
        let parts = text.dropFirst(4).dropLast().split(separator: ",").compactMap { SpeculationTime($0) }
        switch text {
        case "NEVER": self = .never
        case "ALWAYS": self = .always
        case _ where text.hasPrefix("MIN(") && parts.count == 2: self = .min(parts[0], parts[1])
        case _ where text.hasPrefix("MAX(") && parts.count == 2: self = .max(parts[0], parts[1])
        default: self = .after(SpeculationTime(Substring(text)) ?? .percentile(99))
        }
    }

    /// The time in nanoseconds; nil for never.
    ///
    /// - Parameter unknown: stands for percentiles as long as nothing is known of them.
    package func delay(_ latencies: ReadLatencies, unknown: UInt64) -> UInt64? {
        let resolve = { (time: SpeculationTime) in time.nanoseconds(latencies) ?? unknown }
        return switch self {
        case .never: nil
        case .always: 0
        case .after(let time): resolve(time)
        case .min(let a, let b): Swift.min(resolve(a), resolve(b))
        case .max(let a, let b): Swift.max(resolve(a), resolve(b))
        }
    }
}

/// A part of a `SpeculationRule`.
package enum SpeculationTime: Hashable, Sendable {
    case percentile(Double)
    case milliseconds(Double)

    init?(_ text: Substring) {
        if text.hasSuffix("ms"), let number = Double(text.dropLast(2)) {
            self = .milliseconds(number)
        } else if text.hasSuffix("p"), let number = Double(text.dropLast()) {
            self = .percentile(number)
        } else {
            return nil
        }
    }

    func nanoseconds(_ latencies: ReadLatencies) -> UInt64? {
        switch self {
        case .percentile(let percent): latencies.percentile(percent)
        case .milliseconds(let number): UInt64(Swift.max(0, Swift.min(number, 1e9)) * 1e6)
        }
    }
}
