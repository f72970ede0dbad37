// SPDX-License-Identifier: Apache-2.0

import CQLProtocol
import Environment
import Model
import Shell
import Synchronization

/// A database that answers from a script, and remembers what it was asked.
final class ScriptedBackend: ShellBackend {
    typealias Answer = Result<ShellResult, ShellError>

    let place = "127.0.0.1:9042"
    let protocolVersion: Int? = 5
    private let answers: [String: [Answer]]
    private let log = Mutex<[(statement: String, options: StatementOptions)]>([])

    /// A backend that answers a statement's n-th page with the n-th answer, and others with nothing.
    init(_ answers: [String: [Answer]] = [:]) { self.answers = answers }

    /// What was asked, without the schema queries that the shell makes on its own account.
    var statements: [String] {
        log.withLock { $0.map(\.statement) }.filter { !$0.contains("FROM system") }
    }

    /// The options of the last statement of a person.
    var lastOptions: StatementOptions? {
        log.withLock { $0.last { !$0.statement.contains("FROM system") }?.options }
    }

    func execute(
        _ statement: String,
        options: StatementOptions
    ) async throws(ShellError) -> ShellResult {
        log.withLock { $0.append((statement, options)) }
        if statement.uppercased().hasPrefix("USE ") {
            return ShellResult(.keyspace(String(statement.dropFirst(4))))
        }
        guard let pages = answers[statement] else { return ShellResult(.void) }
        let page = Int(options.pagingState?.first ?? 0)
        guard page < pages.count else { throw ShellError(code: 0, message: "no such page") }
        return try pages[page].get()
    }

    func close() async {}
}

/// A console whose lines are given, and whose output is kept.
final class ScriptedConsole: Console {
    let isInteractive: Bool
    let usesColour: Bool
    let width = 60
    private var lines: [ConsoleInput]
    private var prompts: [String] = []
    private(set) var output = ""
    private(set) var errors = ""
    private(set) var remembered: [String] = []
    /// How often the person wants another page.
    var wantedPages = 0

    init(_ lines: [ConsoleInput] = [], isInteractive: Bool = false, usesColour: Bool = false) {
        self.lines = lines
        self.isInteractive = isInteractive
        self.usesColour = usesColour
    }

    /// The console of a person who types these lines.
    convenience init(typed first: String, _ rest: String...) {
        self.init(([first] + rest).map { .line($0) }, isInteractive: true)
    }

    /// The prompts shown, in order.
    var shownPrompts: [String] { prompts }

    func readLine(prompt: String, completion: Completion) throws(InputError) -> ConsoleInput {
        prompts.append(prompt)
        return lines.isEmpty ? .end : lines.removeFirst()
    }

    func remember(_ input: String) { remembered.append(input) }
    func history(_ count: Int) -> [String] { remembered.suffix(count) }
    func write(_ text: String) { output += text }
    func writeError(_ text: String) { errors += text }
    func flush() {}
    func clear() { output = "" }

    func askForMore() -> Bool {
        output += "---MORE---\n"
        wantedPages -= 1
        return wantedPages >= 0
    }

    func takeInterrupt() -> Bool { false }
}

/// A clock that moves on by 1.5 ms whenever it is asked.
final class SteppingClock: Clock {
    private let now = Mutex<UInt64>(0)

    func microsecondsSinceEpoch() -> Int64 { 0 }

    func monotonicNanoseconds() -> UInt64 {
        now.withLock {
            $0 += 1_500_000
            return $0
        }
    }
}

/// A session between a scripted console and a scripted backend.
func session(
    _ backend: ScriptedBackend,
    _ console: ScriptedConsole,
    _ settings: ShellSettings = ShellSettings()
) -> ShellSession {
    ShellSession(backend: backend, console: console, clock: SteppingClock(), settings: settings)
}

/// A page of rows in the table `ks.t`: text columns unless a type is given.
func rows(
    _ columns: [(String, CQLType)],
    _ rows: [[[UInt8]?]],
    next: UInt8? = nil
) -> ScriptedBackend.Answer {
    let columns = columns.map {
        ColumnSpecification(keyspace: "ks", table: "t", name: $0, type: $1)
    }
    let page = ShellRows(columns: columns, rows: rows, pagingState: next.map { [$0] })
    return .success(ShellResult(.rows(page)))
}

/// The serialized form of an int.
func int(_ value: Int32) -> [UInt8] {
    let bits = UInt32(bitPattern: value)
    return (0..<4).map { UInt8(truncatingIfNeeded: bits >> UInt32(24 - 8 * $0)) }
}

/// The serialized form of a text.
func text(_ value: String) -> [UInt8] { Array(value.utf8) }
