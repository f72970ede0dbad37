// SPDX-License-Identifier: Apache-2.0

import Storage
import Testing

@Suite struct SizeTiersTests {
    private static let megabyte = 1 << 20

    /// Chooses among files that are numbered from 1 and have these sizes in MiB.
    private func choose(_ sizes: [Int], min: Int = 4, max: Int = 32) -> [UInt64] {
        let files = sizes.enumerated().map { index, size in
            SizeTiers.File(number: UInt64(index + 1), size: size * SizeTiersTests.megabyte)
        }
        return SizeTiers(thresholdMin: min, thresholdMax: max).choose(files)
    }

    @Test(arguments: [
        ([], []),
        ([10, 10, 10], []),
        ([10, 10, 10, 10], [1, 2, 3, 4]),
        ([10, 12, 9, 15, 100], [1, 2, 3, 4]),
        // Small files are one tier, however much they differ.
        ([0, 1, 4, 2], [1, 2, 3, 4]),
        // The tier of the smallest files goes first.
        ([100, 100, 100, 100, 10, 10, 10, 10], [5, 6, 7, 8]),
        // A tier that isn't full doesn't keep a larger one waiting.
        ([100, 100, 100, 100, 10, 10, 10], [1, 2, 3, 4]),
        ([1_000, 100, 10, 1], []),
    ] as [([Int], [UInt64])])
    func fullTiersAreChosen(sizes: [Int], wanted: [UInt64]) {
        #expect(choose(sizes) == wanted)
    }

    @Test func noMoreThanTheThresholdAreChosenAndTheSmallestOfThem() {
        #expect(choose([14, 13, 12, 11, 10], min: 2, max: 3) == [3, 4, 5])
    }

    @Test func theThresholdsAreMadeSensible() {
        #expect(SizeTiers(thresholdMin: 0, thresholdMax: 1).thresholdMin == 2)
        #expect(SizeTiers(thresholdMin: 5, thresholdMax: 1).thresholdMax == 5)
    }

    @Test func compactionComesToAnEnd() {
        var sizes = Array(repeating: 3, count: 100)
        var rounds = 0
        while true {
            let chosen = Set(choose(sizes))
            if chosen.isEmpty { break }
            let merged = sizes.indices.filter { chosen.contains(UInt64($0 + 1)) }
            let total = merged.map { sizes[$0] }.reduce(0, +)
            sizes = sizes.indices.filter { !merged.contains($0) }.map { sizes[$0] } + [total]
            rounds += 1
        }
        #expect(rounds <= 100 / 3)
        #expect(sizes.count < 12)
    }
}
