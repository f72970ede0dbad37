// SPDX-License-Identifier: Apache-2.0

/// Files by the time of their newest write: those of a window that is over become one, those of the
/// newest are compacted by levels.
struct TimeWindows {
    private let settings: CompactionSettings
    private let levels: Levels

    init(_ settings: CompactionSettings, _ levels: Levels) {
        self.settings = settings
        self.levels = levels
    }

    /// The windows that are over and have files that overlap, and the full levels of the newest.
    func choose(_ files: [SSTableFacts]) -> [CompactionChoice] {
        let byWindow = Dictionary(grouping: files, by: window)
        guard let newest = byWindow.keys.max() else { return [] }
        var choices = levels.choose(byWindow[newest] ?? [], of: files)
        // The latest windows first: they are the ones that are read.
        for window in byWindow.keys.sorted(by: >) where window != newest {
            let idle = (byWindow[window] ?? []).filter { !$0.isBusy }
            for group in levels.overlapping(idle) where group.count > 1 {
                let sorted = group.sorted { ($0.size, $0.number) < ($1.size, $1.number) }
                let inputs =
                    levels.overlapMax(group) > settings.runsMax
                    ? Array(sorted.prefix(settings.runsMax)) : group
                choices.append(
                    CompactionChoice(
                        reason: .window(window &* settings.windowSeconds),
                        inputs: inputs.map(\.number),
                        sliceCount: levels.sliceCount(for: inputs, of: files)
                    )
                )
            }
        }
        return choices
    }

    /// The number of the window of a file's newest write.
    private func window(_ file: SSTableFacts) -> Int64 {
        let seconds = TimeWindows.floor(file.maxTimestamp, settings.timestampsPerSecond)
        return TimeWindows.floor(seconds, settings.windowSeconds)
    }

    /// The quotient, rounded down for numbers before 1970 too.
    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }
}
