// SPDX-License-Identifier: Apache-2.0

internal import Environment
import Glibc

extension ShellCommand {
    /// Connects, runs what was asked for, and lets go of the database; the process's exit code.
    func start() async -> Int32 {
        let isScript = !execute.isEmpty || !file.isEmpty || isatty(0) == 0
        let usesColour = color ?? (isatty(1) == 1 && ShellCommand.environmentAllowsColour)
        let backend: any ShellBackend
        do throws(ShellError) {
            backend = try await connect()
        } catch {
            OutputStream(descriptor: 2).write("tholos shell: \(error.message)\n")
            return ShellSession.ExitCode.unusable
        }
        let console: any Console =
            if isScript {
                StreamConsole(usesColour: usesColour)
            } else {
                TerminalConsole(usesColour: usesColour, historyPath: ShellCommand.historyPath)
            }
        let code = await converse(with: backend, at: console, isScript: isScript)
        do throws(ShellError) {
            try await backend.close()
        } catch {
            OutputStream(descriptor: 2).write("tholos shell: \(error.message)\n")
            return max(code, ShellSession.ExitCode.unusable)
        }
        return code
    }

    private func converse(
        with backend: any ShellBackend,
        at console: any Console,
        isScript: Bool
    ) async -> Int32 {
        var settings = ShellSettings()
        settings.format = format
        settings.keepsGoing = keepsGoing
        let session = ShellSession(
            backend: backend,
            console: console,
            clock: SystemClock(),
            settings: settings
        )
        if let keyspace {
            let code = await session.runText("USE \(ShellCommand.quoted(keyspace))")
            if code != ShellSession.ExitCode.success { return ShellSession.ExitCode.unusable }
        }
        guard isScript else { return await session.runInteractive() }
        if execute.isEmpty, file.isEmpty { return await session.runScript(named: "standard input") }
        var worst = ShellSession.ExitCode.success
        for text in execute where worst == 0 || keepsGoing {
            worst = max(worst, await session.runText(text))
        }
        for path in file where worst == 0 || keepsGoing {
            let isInput = path == "-"
            let code =
                isInput
                ? await session.runScript(named: "standard input") : await session.runFile(path)
            worst = max(worst, code)
        }
        return worst
    }

    /// Opens the database that the arguments name.
    private func connect() async throws(ShellError) -> any ShellBackend {
        if let embedded { return try await EmbeddedBackend(folder: embedded) }
        let host = host ?? ShellCommand.variable("THOLOS_HOST") ?? "127.0.0.1"
        var port = port.map(Int.init) ?? 9042
        if self.port == nil, let text = ShellCommand.variable("THOLOS_PORT") {
            guard let number = UInt16(text), number > 0 else {
                throw ShellError(connection: "THOLOS_PORT is '\(text)', which is no port number")
            }
            port = Int(number)
        }
        return try await RemoteBackend(host: host, port: port)
    }

    /// An environment variable; nil when it is not set or empty.
    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// A keyspace's name as CQL writes it: in quotes if it is not all in small letters.
    private static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { byte in
            "abcdefghijklmnopqrstuvwxyz0123456789_".utf8.contains(byte)
        }
        if isPlain || name.hasPrefix("\"") { return name }
        return "\""
            + name.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
    }

    /// Where the history is kept: what THOLOS_HISTORY says, nothing when it is empty.
    private static var historyPath: String? {
        guard let set = getenv("THOLOS_HISTORY") else {
            return HomeFolder.expand("~/.tholos_history")
        }
        let path = String(cString: set)
        return path.isEmpty ? nil : path
    }

    /// See <https://no-color.org>; a terminal called "dumb" shows escape sequences as they are.
    private static var environmentAllowsColour: Bool {
        if let set = getenv("NO_COLOR"), set.pointee != 0 { return false }
        guard let terminal = getenv("TERM") else { return false }
        return String(cString: terminal) != "dumb"
    }
}
