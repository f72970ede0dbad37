// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Environment
import Glibc

extension ImportCommand {
    package func run() async throws { throw ExitCode(await start()) }

    /// Imports and returns the process's exit code.
    private func start() async -> Int32 {
        do throws(ImportError) {
            let options = try arguments.options()
            Interruption.catchSignals()
            let environment = Environment(
                fileSystem: POSIXFileSystem(),
                clock: SystemClock(),
                random: SystemRandom(),
                background: ThreadPoolExecutor(threads: 2)
            )
            let target = try await connect(options, environment)
            let job = ImportJob(
                options: options,
                environment: environment,
                target: target,
                output: ImportCommand.output(isQuiet: options.quiet),
                interruption: .bySignal
            )
            let summary: ImportJob.Summary
            do throws(ImportError) {
                summary = try await job.run()
            } catch {
                // The first failure is the one to tell.
                try? await target?.close()
                throw error
            }
            try await target?.close()
            return summary.exitCode
        } catch {
            ImportCommand.write("tholos import: \(error)\n", to: STDERR_FILENO)
            return error.exitCode
        }
    }

    /// Opens the database that the arguments name; nil in a dry run that names none.
    private func connect(
        _ options: ImportOptions,
        _ environment: Environment
    ) async throws(ImportError) -> (any ImportTarget)? {
        if options.dryRun, arguments.embedded == nil, arguments.host == nil { return nil }
        if let folder = arguments.embedded {
            return try EmbeddedImportTarget(folder: folder, environment: environment)
        }
        return try await RemoteImportTarget(
            host: arguments.host ?? "127.0.0.1",
            port: arguments.port
        )
    }

    /// The result on standard output, the progress on standard error.
    private static func output(isQuiet: Bool) -> ImportOutput {
        ImportOutput(
            isTerminal: isatty(STDERR_FILENO) == 1,
            line: { write($0 + "\n", to: STDOUT_FILENO) },
            progress: { if !isQuiet { write($0, to: STDERR_FILENO) } }
        )
    }

    /// Writes all of a text; what nobody reads any more is dropped.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
