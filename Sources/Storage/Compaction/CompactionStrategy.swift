// SPDX-License-Identifier: Apache-2.0

/// Chooses what to compact: a pure function of the files, the table's options and the time.
package struct CompactionStrategy: Sendable {
    package let settings: CompactionSettings
    package let conditions: CompactionConditions

    package init(_ settings: CompactionSettings, _ conditions: CompactionConditions) {
        self.settings = settings
        self.conditions = conditions
    }

    /// What may be started now, the most urgent first: no file is in two choices, and none of a choice is
    /// busy.
    package func choose(_ files: [SSTableFacts]) -> [CompactionChoice] {
        guard settings.isEnabled else { return [] }
        var left = files.sorted { $0.number < $1.number }
        var choices: [CompactionChoice] = []
        func take(_ choice: CompactionChoice?) {
            guard let choice else { return }
            choices.append(choice)
            left.removeAll { choice.inputs.contains($0.number) }
        }
        take(expired(left))
        let levels = Levels(settings, conditions)
        switch settings.kind {
        case .unified:
            take(levels.replaced(left))
            for choice in levels.choose(left, of: left) { take(choice) }
        case .timeWindow:
            for choice in TimeWindows(settings, levels).choose(left) { take(choice) }
        }
        take(tombstones(left, levels))
        return choices
    }

    // MARK: Expiry

    /// The files in which everything is dead and past its grace, and that hide nothing older elsewhere.
    private func expired(_ files: [SSTableFacts]) -> CompactionChoice? {
        var dead = files.filter { file in
            guard !file.isBusy, let deadAt = file.deadAt else { return false }
            return deadAt < conditions.graceHorizon
        }
        while !dead.isEmpty, !settings.expiresBlindly {
            // A file that stays may hold what another one hides; taking one out of the set may so take
            // out others.
            let numbers = Set(dead.map(\.number))
            let staying = files.filter { !numbers.contains($0.number) }
            let droppable = dead.filter { file in
                conditions.memtableMinTimestamp > file.maxTimestamp
                    && !staying.contains {
                        $0.overlaps(file) && $0.minTimestamp <= file.maxTimestamp
                    }
            }
            if droppable.count == dead.count { break }
            dead = droppable
        }
        guard !dead.isEmpty else { return nil }
        return CompactionChoice(reason: .expired, inputs: dead.map(\.number), sliceCount: 1)
    }

    // MARK: Deletions

    /// The file with the most deletions that may be purged, together with those in which they hide
    /// something.
    private func tombstones(_ files: [SSTableFacts], _ levels: Levels) -> CompactionChoice? {
        let candidates = files.filter { file in
            guard !file.isBusy, let oldest = file.oldestDeletion else { return false }
            return oldest < conditions.graceHorizon
                && file.deadShare > settings.tombstoneThreshold
                && conditions.now - file.createdAt >= settings.tombstoneInterval
        }
        for file in candidates.sorted(by: { ($0.deadShare, $1.number) > ($1.deadShare, $0.number) }) {
            var inputs = [file]
            if !settings.tombstonesUnchecked {
                inputs += files.filter {
                    $0.number != file.number && $0.overlaps(file)
                        && $0.minTimestamp <= file.maxTimestamp
                }
            }
            guard !inputs.contains(where: \.isBusy),
                levels.overlapMax(inputs) <= settings.runsMax
            else { continue }
            return CompactionChoice(
                reason: .tombstones,
                inputs: inputs.map(\.number),
                sliceCount: levels.sliceCount(for: inputs, of: files)
            )
        }
        return nil
    }
}
