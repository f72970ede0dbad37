// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The console of a script: nothing to ask, nothing to complete.
package final class StreamConsole: Console {
    package let isInteractive = false
    package let usesColour: Bool
    package let width = 80
    private let output = OutputStream(descriptor: 1)
    private let errors = OutputStream(descriptor: 2)
    private let input = LineReader(descriptor: 0, name: "standard input")

    package init(usesColour: Bool) {
        self.usesColour = usesColour
    }

    package func readLine(
        prompt: String,
        completion: Completion
    ) throws(InputError) -> ConsoleInput {
        guard let line = try input.next() else { return .end }
        return .line(line)
    }

    package func remember(_ input: String) {}
    package func history(_ count: Int) -> [String] { [] }
    package func write(_ text: String) { output.write(text) }

    package func writeError(_ text: String) {
        output.flush()
        errors.write(text)
        errors.flush()
    }

    package func flush() { output.flush() }
    package func clear() {}
    package func askForMore() -> Bool { true }
    package func takeInterrupt() -> Bool { false }
}
