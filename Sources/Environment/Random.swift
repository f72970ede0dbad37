// SPDX-License-Identifier: Apache-2.0

/// The system's random numbers.
package final class SystemRandom: RandomSource {
    package init() {}

    package func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// Random numbers that follow from a seed: for tests and the simulator.
package final class SeededRandom: RandomSource, @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var generator: SplitMix64

    package init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    package func next() -> UInt64 { lock.withLock { generator.next() } }
}

/// A small, fast generator whose whole state is 64 bits (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return SplitMix64.mixed(state)
    }

    /// A bijection of 64 bits that spreads every input bit over all output bits.
    package static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
