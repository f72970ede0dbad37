// SPDX-License-Identifier: Apache-2.0

package import Environment

/// Where a script's statement stands.
struct ScriptPlace {
    let name: String
    /// The line of the statement's first character, from 1.
    let line: Int

    /// What an error that speaks of the statement's `lineWithin`, from 1, begins with.
    func prefix(lineWithin: Int = 1) -> String { "\(name):\(line + lineWithin - 1): " }
}

/// A conversation with a database: takes input, runs it, shows what came of it. Used by one task.
///
///     lines -> InputSplitter -> Directive: done here
///                                -> statement: ShellBackend -> TableLayout -> Console
package final class ShellSession {
    /// How a shell ends.
    package enum ExitCode {
        package static let success: Int32 = 0
        /// A statement failed.
        package static let failure: Int32 = 1
        /// Wrong arguments, or no connection.
        package static let unusable: Int32 = 2
    }

    let backend: any ShellBackend
    let console: any Console
    let clock: any Clock
    package var settings: ShellSettings
    var catalog = Catalog()
    /// Where results go instead of the console, and its name.
    var capture: (path: String, stream: OutputStream)?
    /// The files that are being read, outermost first.
    var sources: [String] = []
    /// Whether `EXIT` was entered.
    var isLeaving = false
    /// Whether no later statement can succeed.
    var hasLostConnection = false
    /// Whether the person knows that the server records no traces.
    var hasExplainedTracing = false

    package init(
        backend: any ShellBackend,
        console: any Console,
        clock: any Clock,
        settings: ShellSettings
    ) {
        self.backend = backend
        self.console = console
        self.clock = clock
        self.settings = settings
    }

    /// Talks with a person until they leave; the process's exit code.
    package func runInteractive() async -> Int32 {
        await showBanner()
        var splitter = InputSplitter()
        while !isLeaving {
            await refreshCatalog()
            let completion = Completion(
                names: catalog.names,
                keyspace: settings.keyspace,
                earlier: splitter.unfinished
            )
            let input: ConsoleInput
            do throws(InputError) {
                let prompt = prompt(for: splitter.pending)
                input = try console.readLine(prompt: prompt, completion: completion)
            } catch {
                console.writeError("\(error)\n")
                return ExitCode.unusable
            }
            switch input {
            case .end: return ExitCode.success
            case .interrupted: splitter.cancel()
            case .line(let line): await enter(line, &splitter)
            }
        }
        return ExitCode.success
    }

    private var entered: [String] = []

    /// Takes a line from a person and runs what it completes.
    private func enter(_ line: String, _ splitter: inout InputSplitter) async {
        if splitter.pending == .nothing { entered = [] }
        entered.append(line)
        let statements = splitter.append(line: line)
        if splitter.pending == .nothing { console.remember(entered.joined(separator: "\n")) }
        for statement in statements where !isLeaving {
            if await !run(statement, place: nil) { break }
        }
        console.flush()
    }

    /// Runs the console's lines as a script named `name`; the process's exit code.
    package func runScript(named name: String) async -> Int32 {
        let isRunThrough = await runLines(named: name) { [console] () throws(InputError) in
            guard case .line(let line) = try console.readLine(prompt: "", completion: .nothing)
            else { return nil }
            return line
        }
        return await leave(isRunThrough)
    }

    /// Runs a file's lines as a script; the process's exit code.
    package func runFile(_ path: String) async -> Int32 {
        let isRunThrough = await source(path)
        return await leave(isRunThrough)
    }

    /// Runs a text whose last statement needs no semicolon; the process's exit code.
    package func runText(_ text: String) async -> Int32 {
        var splitter = InputSplitter()
        var statements: [InputSplitter.Statement] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            statements += splitter.append(line: String(line))
        }
        if let rest = splitter.finishRest() { statements.append(rest) }
        var isRunThrough = true
        for statement in statements where !isLeaving {
            let succeeded = await run(statement, place: nil)
            isRunThrough = isRunThrough && succeeded
            if !goesOn(after: succeeded) { break }
        }
        return await leave(isRunThrough)
    }

    private func leave(_ isRunThrough: Bool) async -> Int32 {
        console.flush()
        if hasLostConnection { return ExitCode.unusable }
        return isRunThrough ? ExitCode.success : ExitCode.failure
    }

    /// Whether a script runs its next statement.
    private func goesOn(after succeeded: Bool) -> Bool {
        !isLeaving && !hasLostConnection && (succeeded || settings.keepsGoing)
    }

    /// Runs the statements of a file; whether all of them succeeded.
    func source(_ path: String) async -> Bool {
        guard sources.count < 16 else {
            return fail("SOURCE: more than 16 files within each other, last '\(path)'")
        }
        sources.append(path)
        defer { sources.removeLast() }
        do throws(InputError) {
            let reader = try LineReader(path: path)
            return await runLines(named: path) { () throws(InputError) in try reader.next() }
        } catch {
            return fail("\(error)")
        }
    }

    /// Runs a script's lines; whether all of its statements succeeded.
    private func runLines(
        named name: String,
        _ next: () throws(InputError) -> String?
    ) async -> Bool {
        var splitter = InputSplitter()
        var isRunThrough = true
        do throws(InputError) {
            while let line = try next() {
                for statement in splitter.append(line: line) {
                    let place = ScriptPlace(name: name, line: statement.line)
                    let succeeded = await run(statement, place: place)
                    isRunThrough = isRunThrough && succeeded
                    if !goesOn(after: succeeded) { return isRunThrough }
                }
            }
        } catch {
            return fail("\(error)")
        }
        guard let complaint = complaint(about: splitter.pending) else { return isRunThrough }
        let line = splitter.finishRest()?.line ?? splitter.lineCount
        return fail("\(name):\(line): the file ends within a statement: \(complaint)")
    }

    /// What is missing at the end of a script; nil when nothing is.
    private func complaint(about pending: InputSplitter.Pending) -> String? {
        switch pending {
        case .nothing: nil
        case .semicolon: "its final ';' is missing"
        case .string(let line): "the string that begins in line \(line) has no end"
        case .name(let line): "the quoted name that begins in line \(line) has no end"
        case .comment(let line): "the comment that begins in line \(line) has no end"
        case .batch(let line): "the batch that begins in line \(line) has no APPLY BATCH"
        }
    }

    /// Runs one statement or command; whether it succeeded.
    private func run(_ statement: InputSplitter.Statement, place: ScriptPlace?) async -> Bool {
        if let directive = Directive.parse(statement.text) {
            return await carryOut(directive, place: place?.prefix() ?? "")
        }
        return await send(statement.text, place: place)
    }

    /// Says what went wrong; always false.
    func fail(_ message: String) -> Bool {
        let text = console.usesColour ? Style.error.paint(message) : message
        console.writeError(text + "\n")
        return false
    }

    /// Writes a result: to the capture file, or else to the console.
    func writeResult(_ text: String) {
        if let capture { capture.stream.write(text) } else { console.write(text) }
    }

    /// Whether results are coloured now.
    var paints: Bool { console.usesColour && capture == nil }

    private func prompt(for pending: InputSplitter.Pending) -> String {
        guard pending == .nothing else { return "   ... " }
        return settings.keyspace.map { "tholos:\($0)> " } ?? "tholos> "
    }
}
