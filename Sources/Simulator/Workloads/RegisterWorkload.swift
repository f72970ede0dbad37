// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Plain registers, written with growing timestamps: no acknowledged write is lost, and nothing is read that
/// was never written.
final class RegisterWorkload: Workload {
    static let name = "register"

    let sessionCount = 3
    private(set) var violations: [Violation] = []
    private let context: WorkloadContext
    private var random: SplitMix64
    private var registers = [VersionedRegister](repeating: VersionedRegister(), count: 20)

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
    }

    var preparation: [String] {
        [
            "CREATE TABLE IF NOT EXISTS simulation.register (k int PRIMARY KEY, v bigint, w bigint)"
                + " WITH gc_grace_seconds = \(context.grace(short: 10))"
        ]
    }

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let key = random.pick(0...registers.count - 1)
        if random.pick(0...1) == 0 {
            context.send(read(key)) { [self, called = context.now] outcome in
                if let answer = outcome.answer { check(answer, key, called) }
                done()
            }
            return
        }
        let version = context.timestamp()
        registers[key].begin(version, at: context.now)
        // Two columns that are always written together are read together.
        let request = ClientRequest(
            "INSERT INTO simulation.register (k, v, w) VALUES (\(key), \(version), \(version))",
            timestamp: version
        )
        context.send(request) { [self] outcome in
            if outcome.answer != nil { registers[key].acknowledge(version, at: context.now) }
            done()
        }
    }

    private func read(_ key: Int) -> ClientRequest {
        ClientRequest("SELECT v, w FROM simulation.register WHERE k = \(key)")
    }

    private func check(_ answer: Answer, _ key: Int, _ called: UInt64) {
        let version = answer.integer(0, "v")
        if version != answer.integer(0, "w") {
            violations.append(violation("key \(key) was read in halves: \(answer.rows)"))
        }
        let fault = registers[key].fault(reading: version, called: called, returned: context.now)
        guard let fault else { return }
        violations.append(violation("key \(key) at \(SimulatedTime.text(context.now)): \(fault)"))
    }

    func finish(_ done: @escaping () -> Void) {
        inSequence(registers.count) { [self] key, next in
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
