// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The console of a person at a terminal: line editing, history, completion, a pause between pages.
package final class TerminalConsole: Console {
    package let isInteractive = true
    package let usesColour: Bool
    private let output = OutputStream(descriptor: 1)
    private let errors = OutputStream(descriptor: 2)
    private let editor: LineEditor

    /// A console that keeps its history in `historyPath`; nil keeps none.
    package init(usesColour: Bool, historyPath: String?) {
        self.usesColour = usesColour
        self.editor = LineEditor(historyPath: historyPath)
        Interrupts.install()
    }

    package var width: Int {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    package func readLine(
        prompt: String,
        completion: Completion
    ) throws(InputError) -> ConsoleInput {
        flush()
        _ = Interrupts.takePress()
        return editor.readLine(prompt: prompt, completion: completion)
    }

    package func remember(_ input: String) { editor.remember(input) }
    package func history(_ count: Int) -> [String] { editor.history(count) }
    package func write(_ text: String) { output.write(text) }

    package func writeError(_ text: String) {
        output.flush()
        errors.write(text)
        errors.flush()
    }

    package func flush() { output.flush() }

    package func clear() {
        // Home the cursor, erase the screen and what has scrolled away.
        output.write("\u{1B}[H\u{1B}[2J\u{1B}[3J")
        flush()
    }

    package func askForMore() -> Bool {
        write("---MORE---")
        flush()
        let key = readKey()
        // Erase the question.
        write("\r\u{1B}[K")
        flush()
        let isEnough: Set<UInt8> = [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4, 27]
        guard let key, !isEnough.contains(key) else { return false }
        return true
    }

    package func takeInterrupt() -> Bool { Interrupts.takePress() }

    /// One key, without waiting for Enter; nil at the end of input or on Ctrl-C.
    private func readKey() -> UInt8? {
        var before = termios()
        guard tcgetattr(0, &before) == 0 else { return nil }
        var raw = before
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(0, TCSANOW, &raw)
        defer { tcsetattr(0, TCSANOW, &before) }
        while true {
            switch Interrupts.nextEvent() {
            case .key(let byte): return byte
            case .resized: continue
            case .pressed, .end:
                _ = Interrupts.takePress()
                return nil
            }
        }
    }
}
