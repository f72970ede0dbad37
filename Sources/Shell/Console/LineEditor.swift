// SPDX-License-Identifier: Apache-2.0

import CEdit
import Glibc
import Synchronization

/// Line editing, history and completion by libedit, which is one to a process.
final class LineEditor {
    /// The entries that the history keeps.
    static let historySizeMax = 2000

    private let historyPath: String?
    private var lastEntry = ""

    init(historyPath: String?) {
        self.historyPath = historyPath
        // Without a locale of UTF-8, libedit refuses whatever is not ASCII.
        setlocale(LC_CTYPE, "")
        if String(cString: nl_langinfo(Int32(CODESET))) != "UTF-8" {
            setlocale(LC_CTYPE, "C.UTF-8")
        }
        edit_set_name("tholos")
        edit_set_key_reader { _ in LineEditor.readKey() }
        edit_set_completion { text, start, _ in LineEditor.complete(text, Int(start)) }
        rl_initialize()
        using_history()
        stifle_history(Int32(LineEditor.historySizeMax))
        if let historyPath { read_history(historyPath) }
    }

    /// Reads a line; the terminal is as before when it returns.
    func readLine(prompt: String, completion: Completion) -> ConsoleInput {
        LineEditor.completion.withLock { $0 = completion }
        guard let line = readline(prompt) else {
            // The key reader ends the line on Ctrl-C, too.
            let isInterrupted = Interrupts.takePress()
            _ = Glibc.write(1, "\n", 1)
            return isInterrupted ? .interrupted : .end
        }
        defer { free(line) }
        if Interrupts.takePress() {
            _ = Glibc.write(1, "\n", 1)
            return .interrupted
        }
        return .line(String(cString: line))
    }

    /// Adds an entry and saves it, unless it repeats the last one or names a password.
    func remember(_ input: String) {
        let entry = input.split(separator: "\n").joined(separator: " ")
        guard !entry.isEmpty, entry != lastEntry else { return }
        lastEntry = entry
        add_history(entry)
        guard let historyPath, !entry.uppercased().contains("PASSWORD") else { return }
        // Saved at once, so that it survives a closed window. The file is its owner's alone.
        let isNew = access(historyPath, F_OK) != 0
        // libedit writes one entry more than it is told to append.
        if isNew || append_history(0, historyPath) != 0 { write_history(historyPath) }
        if isNew { chmod(historyPath, 0o600) }
    }

    /// The last entries, at most `count`, oldest first.
    func history(_ count: Int) -> [String] {
        let end = edit_history_first() + edit_history_count()
        let first = max(edit_history_first(), end - Int32(clamping: count))
        return (first..<end).compactMap { index in
            history_get(index).flatMap { $0.pointee.line }.map { String(cString: $0) }
        }
    }
}

extension LineEditor {
    /// What the line that is being read may be completed with.
    private static let completion = Mutex(Completion.nothing)
    /// The matches that libedit is asking for one by one.
    private static let matches = Mutex<[String]>([])

    /// The next character from the terminal as a code point; -1 at its end and on Ctrl-C.
    private static func readKey() -> Int32 {
        var scalar: UInt32 = 0
        var missing = 0
        while true {
            let byte: UInt8
            switch Interrupts.nextEvent() {
            case .pressed, .end: return -1
            case .resized:
                rl_resize_terminal()
                continue
            case .key(let key): byte = key
            }
            switch byte {
            case 0x80...0xBF where missing > 0:
                scalar = scalar << 6 | UInt32(byte & 0x3F)
                missing -= 1
            case 0xC2...0xDF: (scalar, missing) = (UInt32(byte & 0x1F), 1)
            case 0xE0...0xEF: (scalar, missing) = (UInt32(byte & 0x0F), 2)
            case 0xF0...0xF4: (scalar, missing) = (UInt32(byte & 0x07), 3)
            default: (scalar, missing) = (UInt32(byte), 0)
            }
            if missing == 0 { return Int32(bitPattern: scalar) }
        }
    }

    /// libedit's question for the matches of the word `text` at `start` of the line.
    private static func complete(
        _ text: UnsafePointer<CChar>?,
        _ start: Int
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        guard let text, let line = edit_line() else { return nil }
        let before = String(decoding: String(cString: line).utf8.prefix(start), as: UTF8.self)
        let word = String(cString: text)
        let found = completion.withLock { $0.matches(of: word, after: before) }
        let isQualifier = completion.withLock { $0.isQualifier(found, after: before) }
        edit_finish_completion(CChar(isQualifier ? UInt8(ascii: ".") : UInt8(ascii: " ")))
        guard !found.isEmpty else { return nil }
        matches.withLock { $0 = found.reversed() }
        return rl_completion_matches(text) { _, _ in
            guard let next = LineEditor.matches.withLock({ $0.popLast() }) else { return nil }
            return strdup(next)
        }
    }
}
