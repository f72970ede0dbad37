// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// How large a partition filter is and how it is probed.
///
/// The filter is a Bloom filter in lines of 64 bytes, each as long as a cache line: a key's hash picks
/// one line and a few bits in it, so that a lookup costs one miss of the processor's cache. Lines fill
/// unevenly, which costs bits: the shape accounts for it, so that the stated chance is met.
package struct FilterShape: Equatable, Sendable {
    /// How many lines of 64 bytes there are.
    package let lineCount: Int
    /// How many bits each key sets.
    package let probeCount: Int

    static let lineBytes = 64
    private static let lineBits = 512.0
    static let probeCountMax = 14

    init(lineCount: Int, probeCount: Int) {
        self.lineCount = lineCount
        self.probeCount = probeCount
    }

    /// The smallest shape for `keyCount` keys in which a key that isn't there passes with at most
    /// `falsePositiveChance`, which is between 0.00001 and 1.
    init(keyCount: Int, falsePositiveChance: Double) {
        let chance = min(max(falsePositiveChance, 0.00001), 0.9)
        var bitsPerKey = 64.0
        var probes = 1
        for candidate in 1...FilterShape.probeCountMax {
            var low = 1.0
            var high = bitsPerKey
            guard FilterShape.chance(bitsPerKey: high, probes: candidate) <= chance else {
                continue
            }
            while high - low > 0.02 {
                let middle = (low + high) / 2
                if FilterShape.chance(bitsPerKey: middle, probes: candidate) <= chance {
                    high = middle
                } else {
                    low = middle
                }
            }
            bitsPerKey = high
            probes = candidate
        }
        let lines = Double(keyCount) * bitsPerKey / FilterShape.lineBits
        lineCount = max(Int(lines.rounded(.up)), 1)
        probeCount = probes
    }

    /// The filter's size in bytes.
    package var count: Int { lineCount * FilterShape.lineBytes }

    /// The chance that a key passes that isn't there: the mean over lines, whose numbers of keys are
    /// Poisson-distributed.
    static func chance(bitsPerKey: Double, probes: Int) -> Double {
        let mean = lineBits / bitsPerKey
        let unset = 1 - 1 / lineBits
        var unsetByKey = 1.0
        for _ in 0..<probes { unsetByKey *= unset }
        var probability = exponential(-mean)
        var bitsUnset = 1.0
        var sum = 0.0
        let last = Int(mean * 2) + 64
        for keys in 0...last {
            var passing = 1.0
            for _ in 0..<probes { passing *= 1 - bitsUnset }
            sum += probability * passing
            probability *= mean / Double(keys + 1)
            bitsUnset *= unsetByKey
        }
        return sum
    }

    /// e to the power of `x`, for x between -512 and 0.
    private static func exponential(_ x: Double) -> Double {
        let small = x / 1024
        var result = 1 + small * (1 + small / 2 * (1 + small / 3 * (1 + small / 4)))
        for _ in 0..<10 { result *= result }
        return result
    }

    /// The line of a hash.
    @inline(__always)
    func line(of hash: UInt64) -> Int {
        Int(hash.multipliedFullWidth(by: UInt64(lineCount)).high)
    }
}

/// The partition filter's arithmetic, over bytes that others own.
package enum PartitionFilter {
    /// The hash by which a filter knows a partition: of the partition part of its keys.
    ///
    /// A read makes it once for all SSTables.
    package static func hash(partition: ByteView) -> UInt64 { Checksum.xxh3(partition) }

    /// The bit positions of a hash, nine bits each, seven at a time.
    @inline(__always)
    private static func mixed(_ hash: UInt64) -> UInt64 {
        // The high bits chose the line and are alike within it; multiplying spreads the others.
        let folded = (hash ^ (hash >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return folded ^ (folded >> 32)
    }

    /// Sets the bits of `hash` in a line.
    static func insert(_ hash: UInt64, into line: UnsafeMutableRawPointer, probes: Int) {
        var bits = mixed(hash)
        for probe in 0..<probes {
            if probe == 7 { bits = mixed(hash &* 0x9E37_79B9_7F4A_7C15) }
            let place = Int(bits & 511)
            let word = line.load(fromByteOffset: (place >> 6) << 3, as: UInt64.self)
            let set = UInt64(littleEndian: word) | (1 << UInt64(place & 63))
            line.storeBytes(of: set.littleEndian, toByteOffset: (place >> 6) << 3, as: UInt64.self)
            bits >>= 9
        }
    }

    /// Whether all bits of `hash` are set in a line.
    static func contains(_ hash: UInt64, in line: UnsafeRawPointer, probes: Int) -> Bool {
        var bits = mixed(hash)
        for probe in 0..<probes {
            if probe == 7 { bits = mixed(hash &* 0x9E37_79B9_7F4A_7C15) }
            let place = Int(bits & 511)
            let word = line.load(fromByteOffset: (place >> 6) << 3, as: UInt64.self)
            guard UInt64(littleEndian: word) & (1 << UInt64(place & 63)) != 0 else { return false }
            bits >>= 9
        }
        return true
    }

    /// The filter of the partitions with `hashes`.
    static func build(_ hashes: [UInt64], shape: FilterShape) -> Block {
        let block = Block(count: shape.count, alignment: FilterShape.lineBytes) { bytes in
            guard let base = bytes.baseAddress else { return false }
            base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes.count)
            for hash in hashes {
                let line = base + shape.line(of: hash) * FilterShape.lineBytes
                insert(hash, into: line, probes: shape.probeCount)
            }
            return true
        }
        guard let block else { invariantFailure("a filter has at least one line") }
        return block
    }
}
