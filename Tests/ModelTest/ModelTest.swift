// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Glibc

/// Compares the engine with a model over many histories; `tools/model-test` builds and runs it.
///
///     ModelTest --operations N --first SEED --step N --status FILE    histories until N operations
///     ModelTest --seed SEED [--length N] [--options TEXT]             one history
@main
struct ModelTest {
    private var values: [String: String] = [:]

    static func main() {
        let test = ModelTest(CommandLine.arguments.dropFirst())
        if let seed = test.number("seed") {
            test.runOne(UInt64(seed))
        } else {
            test.runMany()
        }
    }

    private init(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                ModelTest.stop("not an option with a value: \(name)")
            }
            values[String(name.dropFirst(2))] = value
        }
    }

    private func number(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

    private static func stop(_ message: String) -> Never {
        print(message)
        exit(1)
    }

    private func runOne(_ seed: UInt64) {
        var options: ModelOptions?
        if let text = values["options"] {
            options = ModelOptions(text)
            if options == nil { ModelTest.stop("not a set of options: \(text)") }
        }
        let history = ModelHistory(
            seed: seed,
            options: options,
            operationCount: number("length") ?? 1_500
        )
        if let failure = history.failure(shrinkingFor: 120) { ModelTest.stop(failure) }
        print("\(history.command): agrees")
    }

    private func runMany() {
        let operations = number("operations") ?? 1_000_000
        let first = number("first") ?? 1
        let step = number("step") ?? 1
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        var done = 0
        var seed = UInt64(first)
        while done < operations {
            let history = ModelHistory(seed: seed)
            note(history.command)
            if let failure = history.failure(shrinkingFor: 120) { ModelTest.stop(failure) }
            done += history.operationCount
            seed += UInt64(step)
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        print("\(done) operations agree with the model, \(Int(seconds)) s, seeds \(first) to \(seed - UInt64(step))")
    }

    /// Leaves behind what is being run, for when the process is stopped by it.
    private func note(_ command: String) {
        guard let path = values["status"] else { return }
        do throws(FileError) {
            let file = try POSIXFileSystem().create(path)
            try Array("\(command)\n".utf8).withView { (view) throws(FileError) in try file.append(view) }
            file.close()
        } catch {
            ModelTest.stop(error.description)
        }
    }
}
