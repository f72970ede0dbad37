// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import CQLProtocol
import Environment
import Model
import Node

/// A query processor over a node in memory, whose executors run in the test's thread.
final class TestProcessor {
    private let processor: QueryProcessor
    private let executors: [ManualExecutor]
    private let clock: ManualClock
    private var keyspace: String?
    /// How many batches the batch log had; nil when the replay gave no answer.
    let replayedBatches: Int?

    /// What a callback leaves behind. Tests run in one thread.
    private final class Box: @unchecked Sendable {  // Owner: the test's thread.
        var outcome: StatementOutcome?
        var replayed: Result<Int, CQLError>?
    }

    /// Opens a node on `files`, and finishes the batches that a crash left there.
    init(shardCount: Int = 2, files: MemoryFileSystem = MemoryFileSystem()) throws {
        let clock = ManualClock()
        self.clock = clock
        let background = ManualExecutor(clock: clock)
        let shards = (0..<shardCount).map { _ in ManualExecutor(clock: clock) }
        executors = shards + [background]
        let node = try Node.open(
            environment: Environment(
                fileSystem: files,
                clock: clock,
                random: SeededRandom(seed: 1),
                background: background
            ),
            options: NodeOptions(dataDirectory: "/node", shardCount: shardCount),
            executors: shards,
            systemSchema: QueryProcessor.systemSchema
        )
        processor = QueryProcessor(node: node, system: SystemContext(hostID: node.hostID))
        let box = Box()
        BatchLog.replay(node) { box.replayed = $0 }
        Environment.runUntilIdle(executors)
        replayedBatches = try box.replayed?.get()
    }

    /// Lets time pass.
    func advance(seconds: UInt64) {
        clock.advance(nanoseconds: seconds * 1_000_000_000)
        Environment.runUntilIdle(executors)
    }

    /// Executes a statement, all pages of it, and says what came of it: a line a row with `|` between
    /// columns, `--` between pages, `error:` and its message, or nothing.
    func execute(_ text: String, pageSize: Int32? = nil) -> String {
        var parameters = QueryParameters(pageSize: pageSize)
        var output = ""
        // Rows never come without end: each page that goes on has at least one.
        for _ in 0..<1000 {
            let (answer, next) = executeOnce(text, parameters)
            output += answer
            guard let next else { return output }
            output += "--\n"
            parameters.pagingState = next
        }
        return output + "error: too many pages\n"
    }

    private func executeOnce(
        _ text: String,
        _ parameters: QueryParameters
    ) -> (answer: String, next: [UInt8]?) {
        let box = Box()
        let origin = StatementOrigin(keyspace: keyspace)
        processor.query(text, parameters, origin) { box.outcome = $0 }
        Environment.runUntilIdle(executors)
        guard let outcome = box.outcome else { return ("error: no answer\n", nil) }
        switch outcome.result {
        case .failure(let error): return ("error: \(error.message)\n", nil)
        case .success(.rows(let rows)): return (lines(rows), rows.metadata.pagingState)
        case .success(.setKeyspace(let name)):
            keyspace = name
            return ("", nil)
        case .success: return ("", nil)
        }
    }

    private func lines(_ rows: RowsResult) -> String {
        let columns = rows.metadata.columns.columns
        return rows.arrays.map { row in
            zip(row, columns).map { value, column in
                value.map { bytes in bytes.withView { column.type.literal($0) } } ?? "null"
            }
            .joined(separator: "|") + "\n"
        }
        .joined()
    }
}
