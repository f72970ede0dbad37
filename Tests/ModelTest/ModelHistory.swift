// SPDX-License-Identifier: Apache-2.0

import Environment
import Model

/// A history that a seed and options decide: runs it, and makes it small when the engine doesn't agree
/// with the model.
struct ModelHistory {
    let seed: UInt64
    let options: ModelOptions
    let operationCount: Int

    init(seed: UInt64, options: ModelOptions? = nil, operationCount: Int = 1_500) {
        self.seed = seed
        self.options = options ?? ModelOptions(seed: seed)
        self.operationCount = operationCount
    }

    /// The command that does the same once more.
    var command: String {
        "tools/model-test --seed \(seed) --length \(operationCount) --options '\(options)'"
    }

    /// What is not as the model says, with the command that shows it again and as few of the operations
    /// as could be found in so many seconds; nil when all is well.
    func failure(shrinkingFor seconds: Int) -> String? {
        var operations: [ModelOperation] = []
        guard let error = run(&operations) else { return nil }
        let shrunk = shrink(operations, seconds)
        let lines = shrunk.operations.map { "    \($0)" }.joined(separator: "\n")
        return """
            \(error)
            again: \(command)
            \(shrunk.operations.count) of \(operations.count) operations lead to: \(shrunk.error ?? error)
            \(lines)
            """
    }

    /// Runs the history and notes its operations.
    private func run(_ operations: inout [ModelOperation]) -> String? {
        do {
            let run = try ModelRun(options)
            var generator = ModelGenerator(seed: seed, options: options)
            for _ in 0..<operationCount {
                let operation = generator.next(run.models, now: run.now)
                operations.append(operation)
                try run.perform(operation)
            }
            try run.finish()
            return nil
        } catch {
            return "operation \(operations.count): \(error)"
        }
    }

    /// Runs some operations.
    private func run(_ operations: [ModelOperation]) -> String? {
        do {
            let run = try ModelRun(options)
            for operation in operations { try run.perform(operation) }
            try run.finish()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Leaves out what isn't needed for a failure: halves, quarters, and so on to single operations.
    private func shrink(
        _ operations: [ModelOperation],
        _ seconds: Int
    ) -> (operations: [ModelOperation], error: String?) {
        let clock = SystemClock()
        let end = clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        var kept = operations
        var error: String?
        var size = max(kept.count / 2, 1)
        while clock.monotonicNanoseconds() < end {
            var hasShrunk = false
            var start = 0
            while start < kept.count, clock.monotonicNanoseconds() < end {
                var fewer = kept
                fewer.removeSubrange(start..<min(start + size, kept.count))
                if let found = run(fewer) {
                    kept = fewer
                    error = found
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            if size == 1, !hasShrunk { break }
            size = max(size / 2, 1)
        }
        return (kept, error)
    }
}
