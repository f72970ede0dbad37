// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Sets, as rows of a partition and as a collection, under adds and deletes: nothing deleted comes back, and
/// nothing added goes away.
final class SetWorkload: Workload {
    static let name = "set"

    let sessionCount = 3
    private(set) var violations: [Violation] = []
    private let context: WorkloadContext
    private var random: SplitMix64
    /// By partition: those with even numbers are kept as rows, the others as collections.
    private var sets = [ElementHistory](repeating: ElementHistory(), count: 6)
    private var nextElement: Int64 = 0

    let preparation: [String]

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
        let grace = random.pick(0...20)
        let compaction = [
            "'class': 'UnifiedCompactionStrategy'",
            "'class': 'SizeTieredCompactionStrategy', 'min_threshold': 2",
            "'class': 'LeveledCompactionStrategy'",
        ][random.pick(0...2)]
        preparation = [
            "CREATE TABLE IF NOT EXISTS simulation.set_rows (k int, e int, PRIMARY KEY (k, e))"
                + " WITH gc_grace_seconds = \(context.grace(short: grace)) AND compaction = {\(compaction)}",
            "CREATE TABLE IF NOT EXISTS simulation.set_cells (k int PRIMARY KEY, s set<int>)"
                + " WITH gc_grace_seconds = \(context.grace(short: grace)) AND compaction = {\(compaction)}",
        ]
    }

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let key = random.pick(0...sets.count - 1)
        switch random.pick(0...9) {
        case 0..<4: add(to: key, done)
        case 4..<7: remove(from: key, done)
        default:
            context.send(read(key)) { [self, called = context.now] outcome in
                if let answer = outcome.answer { check(answer, key, called) }
                done()
            }
        }
    }

    private func add(to key: Int, _ done: @escaping () -> Void) {
        nextElement += 1
        let element = nextElement
        sets[key].beginAdd(element, at: context.now)
        let statement =
            key % 2 == 0
            ? "INSERT INTO simulation.set_rows (k, e) VALUES (\(key), \(element))"
            : "UPDATE simulation.set_cells SET s = s + {\(element)} WHERE k = \(key)"
        context.send(ClientRequest(statement, timestamp: context.timestamp())) { [self] outcome in
            if outcome.answer != nil { sets[key].acknowledgeAdd(element, at: context.now) }
            done()
        }
    }

    /// Removes one element, or all up to one.
    private func remove(from key: Int, _ done: @escaping () -> Void) {
        let present = sets[key].present
        guard !present.isEmpty else { return add(to: key, done) }
        let place = random.pick(0...present.count - 1)
        // Of many, the older half goes at once now and then.
        let isRange = key % 2 == 0 && present.count > 10 && random.pick(0...4) == 0
        let gone = isRange ? Array(present[...(present.count / 2)]) : [present[place]]
        for element in gone { sets[key].beginRemove(element, at: context.now) }
        let last = gone[gone.count - 1]
        let statement =
            key % 2 == 0
            ? "DELETE FROM simulation.set_rows WHERE k = \(key) AND e \(isRange ? "<=" : "=") \(last)"
            : "UPDATE simulation.set_cells SET s = s - {\(last)} WHERE k = \(key)"
        if isRange { sets[key].beginRemove(upTo: last, at: context.now) }
        context.send(ClientRequest(statement, timestamp: context.timestamp())) { [self] outcome in
            if outcome.answer != nil {
                for element in gone { sets[key].acknowledgeRemove(element, at: context.now) }
            }
            done()
        }
    }

    private func read(_ key: Int) -> ClientRequest {
        ClientRequest(
            key % 2 == 0
                ? "SELECT e FROM simulation.set_rows WHERE k = \(key)"
                : "SELECT s FROM simulation.set_cells WHERE k = \(key)"
        )
    }

    private func check(_ answer: Answer, _ key: Int, _ called: UInt64) {
        let seen =
            key % 2 == 0
            ? answer.rows.indices.compactMap { answer.integer($0, "e") } : answer.integers(0, "s")
        for fault in sets[key].faults(reading: seen, called: called, returned: context.now) {
            violations.append(violation("set \(key) at \(SimulatedTime.text(context.now)): \(fault)"))
        }
    }

    func finish(_ done: @escaping () -> Void) {
        inSequence(sets.count) { [self] key, next in
            let called = context.now
            context.insist(read(key)) { [self] answer in
                check(answer, key, called)
                next()
            }
        } done: {
            done()
        }
    }
}
