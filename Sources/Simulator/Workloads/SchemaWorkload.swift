// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model

/// Tables that come and go: CREATE and DROP of each name are linearizable, and in the end every node has the
/// same tables.
final class SchemaWorkload: Workload {
    static let name = "schema"

    typealias Operation = HistoryOperation<Existence.Input, Bool>

    let sessionCount = 2
    private(set) var violations: [Violation] = []
    private(set) var undecided = 0
    private let context: WorkloadContext
    private var random: SplitMix64
    private var histories = [[Operation]](repeating: [], count: 3)
    private var columns = 0

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
    }

    let preparation = [
        "CREATE KEYSPACE IF NOT EXISTS simulation_schema WITH replication ="
            + " {'class': 'SimpleStrategy', 'replication_factor': 1}"
    ]

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let table = random.pick(0...histories.count - 1)
        let name = "simulation_schema.t\(table)"
        switch random.pick(0...5) {
        case 0, 1: change(table, .create, "CREATE TABLE \(name) (k int PRIMARY KEY, v int)", done)
        case 2, 3: change(table, .drop, "DROP TABLE \(name)", done)
        case 4:
            columns += 1
            context.send(ClientRequest("ALTER TABLE \(name) ADD c\(columns) int")) { _ in done() }
        default:
            // A write beside it: its table may be gone at any moment.
            context.send(ClientRequest("INSERT INTO \(name) (k, v) VALUES (1, 1)")) { _ in done() }
        }
    }

    private func change(
        _ table: Int,
        _ input: Existence.Input,
        _ statement: String,
        _ done: @escaping () -> Void
    ) {
        let called = context.now
        context.send(ClientRequest(statement)) { [self] outcome in
            switch outcome {
            case .answer:
                note(table, Operation(input, true, called: called, returned: context.now))
            case .refused(let why):
                // Only the schema's own refusal says something of the schema.
                let isOfSchema = why.contains("already exists") || why.contains("doesn't exist")
                    || why.contains("does not exist") || why.contains("unconfigured table")
                // A node of several that is cut off refuses by the schema that it knows.
                guard isOfSchema, context.world.machines.count == 1 else { break }
                note(table, Operation(input, false, called: called, returned: context.now))
            case .unknown:
                note(table, Operation(input, nil, called: called, returned: nil))
            }
            done()
        }
    }

    private func note(_ table: Int, _ operation: Operation) { histories[table].append(operation) }

    func finish(_ done: @escaping () -> Void) {
        let machines = context.members
        var found: [[String]] = []
        inSequence(machines.count) { [self] index, next in
            let request = ClientRequest(
                "SELECT table_name, id FROM system_schema.tables"
                    + " WHERE keyspace_name = 'simulation_schema'",
                consistency: .one
            )
            context.insist(request, to: machines[index]) { answer in
                found.append(
                    answer.rows.indices.map { row in
                        "\(answer.text(row, "table_name") ?? "?") \(answer.value(row, "id") ?? [])"
                    }
                )
                next()
            }
        } done: { [self] in
            check(found)
            done()
        }
    }

    private func check(_ found: [[String]]) {
        for (node, tables) in found.enumerated() where tables != found[0] {
            violations.append(
                violation("node \(node) has the tables \(tables), node 0 has \(found[0])")
            )
        }
        for (table, history) in histories.enumerated() {
            let isThere = found[0].contains { $0.hasPrefix("t\(table) ") }
            // What is there in the end is what another CREATE would have said.
            let last = Operation(.create, !isThere, called: context.now, returned: context.now + 1)
            switch Linearizability.check(Existence.self, history + [last]) {
            case .linearizable: break
            case .undecided: undecided += 1
            case .violated:
                let text = (history + [last]).sorted { $0.called < $1.called }.map { operation in
                    let end = operation.returned.map { SimulatedTime.text($0) } ?? "never"
                    let output = operation.output.map { $0 ? "done" : "refused" } ?? "?"
                    return "\n    \(SimulatedTime.text(operation.called)) to \(end):"
                        + " \(operation.input) \(output)"
                }
                violations.append(
                    violation(
                        "CREATE and DROP of table t\(table) are not linearizable:" + text.joined()
                    )
                )
            }
        }
    }
}
