// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Logged batches over several partitions: in the end each has happened as a whole or not at all.
final class BatchWorkload: Workload {
    static let name = "batch"

    let sessionCount = 2
    private(set) var violations: [Violation] = []
    private let context: WorkloadContext
    private var random: SplitMix64
    private var groups = [VersionedRegister](repeating: VersionedRegister(), count: 8)

    /// The partitions of a group, all of which each batch writes.
    private static let groupSize = 4

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
    }

    let preparation = [
        "CREATE TABLE IF NOT EXISTS simulation.batches (k int PRIMARY KEY, v bigint)",
        "CREATE TABLE IF NOT EXISTS simulation.batch_two (k int PRIMARY KEY, v bigint)",
    ]

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let group = random.pick(0...groups.count - 1)
        let version = context.timestamp()
        groups[group].begin(version, at: context.now)
        let statements = places(group).map { table, key in
            "INSERT INTO simulation.\(table) (k, v) VALUES (\(key), \(version))"
        }
        context.send(ClientRequest(batch: statements, timestamp: version)) { [self] outcome in
            if outcome.answer != nil { groups[group].acknowledge(version, at: context.now) }
            done()
        }
    }

    private func places(_ group: Int) -> [(table: String, key: Int)] {
        (0..<BatchWorkload.groupSize).map { member in
            (member % 2 == 0 ? "batches" : "batch_two", group * BatchWorkload.groupSize + member)
        }
    }

    func finish(_ done: @escaping () -> Void) {
        inSequence(groups.count) { [self] group, next in
            let places = places(group)
            var versions: [Int64?] = []
            let called = context.now
            inSequence(places.count) { [self] index, next in
                let (table, key) = places[index]
                let request = ClientRequest("SELECT v FROM simulation.\(table) WHERE k = \(key)")
                context.insist(request) { answer in
                    versions.append(answer.integer(0, "v"))
                    next()
                }
            } done: { [self] in
                check(group, versions, called)
                next()
            }
        } done: {
            done()
        }
    }

    private func check(_ group: Int, _ versions: [Int64?], _ called: UInt64) {
        guard versions.allSatisfy({ $0 == versions[0] }) else {
            let text = versions.map { $0.map { "\($0)" } ?? "nothing" }.joined(separator: ", ")
            violations.append(violation("batches of group \(group) were applied in part: \(text)"))
            return
        }
        let fault = groups[group].fault(reading: versions[0], called: called, returned: context.now)
        if let fault { violations.append(violation("group \(group): \(fault)")) }
    }
}
