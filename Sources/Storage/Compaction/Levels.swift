// SPDX-License-Identifier: Apache-2.0

internal import Model

/// Levels of files by density, as in Cassandra's unified strategy: the bytes that a file would have if it
/// covered all tokens of the shard decide about its level, so that a file that was cut on token bounds
/// stays in the level of the whole.
package struct Levels: Sendable {
    private let settings: CompactionSettings
    private let conditions: CompactionConditions

    package init(_ settings: CompactionSettings, _ conditions: CompactionConditions) {
        self.settings = settings
        self.conditions = conditions
    }

    /// A file's bytes for the whole of the shard's tokens.
    func density(_ file: SSTableFacts) -> Double {
        let share = conditions.space.share(of: file.tokens)
        // A few partitions say little of the part of the tokens that their file is for.
        return Double(file.size) / max(share, 1.0 / 1024)
    }

    private func scaling(_ level: Int) -> CompactionSettings.Scaling {
        settings.scaling[min(level, settings.scaling.count - 1)]
    }

    /// The level that a density belongs to. Level 0 has what flushes make.
    func level(_ density: Double, flushSize: Double) -> Int {
        var level = 0
        var bound = max(1, flushSize)
        while level < 60 {
            bound *= Double(scaling(level).fanout)
            if density < bound { return level }
            level += 1
        }
        return level
    }

    /// The density of what a flush makes: measured, or what is expected.
    func flushSize(_ files: [SSTableFacts]) -> Double {
        if let size = settings.flushSize { return Double(size) }
        let flushed = files.filter(\.isFlushed)
        guard !flushed.isEmpty else { return Double(conditions.flushSize) }
        let mean = flushed.reduce(0) { $0 + density($1) } / Double(flushed.count)
        // Small flushes, made by hand or at a stop, must not make levels of their own.
        return max(mean, Double(conditions.flushSize) / 4)
    }

    // MARK: Choosing

    /// The levels of `files` that are full, the lowest first: in each, the sets of files that overlap one
    /// another. `all` are the table's files.
    func choose(_ files: [SSTableFacts], of all: [SSTableFacts]) -> [CompactionChoice] {
        let base = flushSize(all)
        var byLevel: [Int: [SSTableFacts]] = [:]
        for file in files where !file.isBusy {
            byLevel[level(density(file), flushSize: base), default: []].append(file)
        }
        var choices: [CompactionChoice] = []
        for level in byLevel.keys.sorted() {
            for group in overlapping(byLevel[level] ?? []) {
                let depth = overlapMax(group)
                guard depth >= scaling(level).threshold, group.count > 1 else { continue }
                let inputs = limited(group, depth)
                guard inputs.count > 1 else { continue }
                choices.append(
                    CompactionChoice(
                        reason: .level(level),
                        inputs: inputs.map(\.number),
                        sliceCount: sliceCount(for: inputs, of: all)
                    )
                )
            }
        }
        return choices
    }

    /// Everything, when what lies above the largest run may replace more of it than it should.
    func replaced(_ files: [SSTableFacts]) -> CompactionChoice? {
        guard let bound = settings.replacedShareMax, files.count > 1,
            let largest = largestRun(files)
        else { return nil }
        let isLargest = Set(largest.map(\.number))
        // It is being merged already.
        guard !largest.contains(where: \.isBusy) else { return nil }
        let idle = files.filter { !$0.isBusy }
        let size = largest.reduce(0) { $0 + $1.size }
        let above = idle.reduce(0) { isLargest.contains($1.number) ? $0 : $0 + $1.size }
        guard Double(above) * expectedShare > bound * Double(size) else { return nil }
        // What overlaps nothing stays where it is.
        let inputs = idle.filter { file in
            idle.contains { $0.number != file.number && $0.overlaps(file) }
        }
        guard inputs.count > 1 else { return nil }
        return CompactionChoice(
            reason: .replaced,
            inputs: inputs.map(\.number),
            sliceCount: sliceCount(for: inputs, of: files),
            upperSize: above
        )
    }

    /// The densest files, of those that overlap one: what all others are newer parts of. Nil while all is in
    /// level 0.
    private func largestRun(_ files: [SSTableFacts]) -> [SSTableFacts]? {
        let sorted = files.map { (file: $0, density: density($0)) }
            .sorted { ($0.density, $1.file.number) > ($1.density, $0.file.number) }
        guard let most = sorted.first?.density,
            level(most, flushSize: flushSize(files)) > 0
        else { return nil }
        var run: [SSTableFacts] = []
        // The slices of one run differ by chance alone.
        for (file, density) in sorted where density > most / 3 {
            if !run.contains(where: { $0.overlaps(file) }) { run.append(file) }
        }
        return run
    }

    /// What proved to be new data the last time needs no such hurry; but it may be otherwise now.
    private var expectedShare: Double { max(conditions.replacedShare ?? 1, Levels.replacedShareMin) }

    /// The part of the largest run that all others may replace, those that are being merged included; nil
    /// while the largest is so small that it is no measure.
    func replacedShare(_ files: [SSTableFacts]) -> Double? {
        guard let run = largestRun(files) else { return nil }
        let largest = run.reduce(0) { $0 + $1.size }
        guard Double(largest) > 16 * flushSize(files) else { return nil }
        let all = files.reduce(0) { $0 + $1.size }
        return Double(all - largest) * expectedShare / Double(largest)
    }

    /// However new the data was the last time, at least this part is taken to replace something.
    private static let replacedShareMin = 0.3

    /// At most as many overlapping files as may be merged at once: the smallest.
    private func limited(_ group: [SSTableFacts], _ depth: Int) -> [SSTableFacts] {
        guard depth > settings.runsMax else { return group }
        let sorted = group.sorted { ($0.size, $0.number) < ($1.size, $1.number) }
        return Array(sorted.prefix(settings.runsMax))
    }

    // MARK: Overlap

    /// The files in groups within which they overlap, directly or through others.
    func overlapping(_ files: [SSTableFacts]) -> [[SSTableFacts]] {
        var groups: [[SSTableFacts]] = []
        var end: Token?
        for file in files.sorted(by: { $0.tokens.first < $1.tokens.first }) {
            if let last = end, file.tokens.first <= last {
                groups[groups.count - 1].append(file)
                end = max(last, file.tokens.last)
            } else {
                groups.append([file])
                end = file.tokens.last
            }
        }
        return groups
    }

    /// The most files that have one token.
    func overlapMax(_ files: [SSTableFacts]) -> Int {
        var open: [Token] = []
        var most = 0
        for file in files.sorted(by: { $0.tokens.first < $1.tokens.first }) {
            open.removeAll { $0 < file.tokens.first }
            open.append(file.tokens.last)
            most = max(most, open.count)
        }
        return most
    }

    // MARK: Slices

    /// In how many slices of the shard's tokens the merged files are written.
    ///
    /// Slices are what bounds the room that a compaction needs: each output replaces its part of the
    /// inputs when it is done. So they are at most a sixteenth of the table, if they aren't too small.
    package func sliceCount(for inputs: [SSTableFacts], of all: [SSTableFacts]) -> Int {
        guard let first = inputs.map(\.tokens.first).min(),
            let last = inputs.map(\.tokens.last).max()
        else { return 1 }
        let size = Double(inputs.reduce(0) { $0 + $1.size })
        let table = Double(all.reduce(0) { $0 + $1.size })
        let share = conditions.space.share(of: TokenRange(first, last))
        let density = size / max(share, 1.0 / 1024)
        let smallest = Double(settings.minSize)
        let wanted = min(Double(settings.targetSize), max(smallest, table / 16))
        let base = Double(settings.baseSliceCount)
        guard density / base >= smallest else {
            return Levels.powerOfTwo(atMost: density / smallest)
        }
        let doublings = Levels.log2(density / (wanted * base))
        guard doublings > 0 else { return settings.baseSliceCount }
        // Beyond the target files grow with the data, at the rate that the table asks for.
        let growth = wanted >= Double(settings.targetSize) ? settings.growth : 0
        let factor = Int((doublings * (1 - growth)).rounded())
        return min(settings.baseSliceCount << min(factor, 16), 1 << 16)
    }

    /// The power of two at or below a number, at least 1.
    private static func powerOfTwo(atMost number: Double) -> Int {
        number.isFinite && number > 1 ? 1 << min(16, Int(number.exponent)) : 1
    }

    /// The logarithm to base 2, by the exponent and a short series for the rest: no library is needed.
    private static func log2(_ number: Double) -> Double {
        guard number > 0, number.isFinite else { return 0 }
        let exponent = Double(number.exponent)
        let x = number.significand - 1
        // The rest is within 0.01 of log2(1 + x), which suffices to choose a power of two.
        return exponent + x * (1.4142 + x * (-0.5571 + x * 0.1429))
    }
}
