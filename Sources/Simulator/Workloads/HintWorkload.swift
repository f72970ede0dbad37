// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model

/// Writes at ANY to partitions with one replica: what was acknowledged when the replica couldn't be reached is in a
/// hint alone, and is there when all hints are delivered.
final class HintWorkload: Workload {
    static let name = "hints"

    let sessionCount = 1
    private(set) var violations: [Violation] = []
    private let context: WorkloadContext
    private var acknowledged: [Int] = []
    private var last = 0

    init(_ context: WorkloadContext) { self.context = context }

    let preparation = [
        "CREATE KEYSPACE IF NOT EXISTS simulation_hints WITH replication ="
            + " {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE IF NOT EXISTS simulation_hints.hinted (k int PRIMARY KEY, v int)",
    ]

    func step(_ session: Int, _ done: @escaping () -> Void) {
        last += 1
        let key = last
        let request = ClientRequest(
            "INSERT INTO simulation_hints.hinted (k, v) VALUES (\(key), \(key))",
            consistency: .any,
            timestamp: context.timestamp()
        )
        context.send(request) { [self] outcome in
            if outcome.answer != nil { acknowledged.append(key) }
            done()
        }
    }

    func finish(_ done: @escaping () -> Void) {
        // A lost disk had the only replica of some partitions, and hints.
        guard !context.operations.hasLostDisk else { return done() }
        inSequence(acknowledged.count) { [self] index, next in
            let key = acknowledged[index]
            let request = ClientRequest("SELECT v FROM simulation_hints.hinted WHERE k = \(key)")
            context.insist(request) { [self] answer in
                if answer.integer(0, "v") != Int64(key) {
                    violations.append(violation("key \(key) was acknowledged at ANY and is gone"))
                }
                next()
            }
        } done: {
            done()
        }
    }
}
