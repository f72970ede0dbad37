// SPDX-License-Identifier: Apache-2.0

/// Where the shell's person or script is: lines in, text out.
///
/// Used by one task. `TerminalConsole` is a person's; `StreamConsole` is a script's.
package protocol Console: AnyObject {
    /// Whether a person sits there: prompts, pauses and a banner make sense.
    var isInteractive: Bool { get }
    /// Whether results may be coloured.
    var usesColour: Bool { get }
    /// The columns of a line of output.
    var width: Int { get }

    /// Reads a line, without its newline. `names` is what may be completed.
    func readLine(prompt: String, completion: Completion) throws(InputError) -> ConsoleInput
    /// Remembers what a person has entered.
    func remember(_ input: String)
    /// The last entries remembered, at most `count`, oldest first.
    func history(_ count: Int) -> [String]

    /// Writes results and answers.
    func write(_ text: String)
    /// Writes errors and warnings; what was written before appears first.
    func writeError(_ text: String)
    /// Makes all that was written visible.
    func flush()
    /// Removes what stands on the screen.
    func clear()

    /// Asks whether to show the next page; false when the person has seen enough.
    func askForMore() -> Bool
    /// Whether Ctrl-C was pressed since the last call; it is forgotten by asking.
    func takeInterrupt() -> Bool
}

/// What came of reading a line.
package enum ConsoleInput: Equatable, Sendable {
    case line(String)
    /// Ctrl-C: what was typed is void.
    case interrupted
    /// Ctrl-D, or the end of the stream.
    case end
}

/// Input that cannot be read.
package struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
