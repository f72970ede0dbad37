// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// The loop of an import: read, convert, hand over, and remember what is acknowledged.
///
/// It is owned by the one task that runs it. Parsing is synchronous in that task; batches are written
/// by child tasks, at most `ImportOptions.batchesInFlight` at a time, which is the backpressure.
final class ImportRun {
    private let job: ImportJob
    private let files: [InputFile]
    private let table: ImportTable
    private let columns: [ImportColumn]
    private let rejects: RejectFile?
    private let keepsState: Bool
    private var window: AcknowledgementWindow
    /// Where reading is, ahead of `window.position`.
    private var position: ImportPosition
    private var progress: Progress
    private var freeBatches: [RowBatch] = []
    private var finishedBytes = 0
    private var lastSave: UInt64
    private var lastTimestamp: Int64 = 0
    private var savedPosition: ImportPosition?

    private static let saveInterval: UInt64 = 1_000_000_000

    private typealias Group = ThrowingTaskGroup<Written, any Error>

    /// A batch that is acknowledged.
    private struct Written: Sendable {
        let number: Int
        let batch: RowBatch
    }

    init(
        _ job: ImportJob,
        files: [InputFile],
        table: ImportTable,
        columns: [ImportColumn],
        from position: ImportPosition
    ) throws(ImportError) {
        self.job = job
        self.files = files
        self.table = table
        self.columns = columns
        self.position = position
        window = AcknowledgementWindow(at: position)
        keepsState = job.keepsState(files)
        let now = job.environment.clock.monotonicNanoseconds()
        lastSave = now
        rejects = try RejectFile(
            job.options.rejects,
            fileSystem: job.environment.fileSystem,
            keeping: position.rejectBytes
        )
        let isKnown = files.allSatisfy { $0.identity != nil }
        finishedBytes = files[..<position.file].reduce(0) { $0 + ($1.identity?.size ?? 0) }
        progress = Progress(
            job.output,
            now: now,
            totalBytes: isKnown ? files.reduce(0) { $0 + ($1.identity?.size ?? 0) } : nil,
            startBytes: finishedBytes,
            startRows: position.written
        )
    }

    private var now: UInt64 { job.environment.clock.monotonicNanoseconds() }

    /// Imports everything from the position on.
    func run() async throws(ImportError) -> ImportJob.Summary {
        let start = position
        do throws(ImportError) {
            try await job.attempting {
                try await withThrowingTaskGroup(of: Written.self) { group in
                    try await self.readFiles(&group)
                }
            }
            try await job.attempting { try await self.job.target?.sync() }
        } catch {
            progress.clear()
            throw stopped(error)
        }
        progress.clear()
        return try finish(from: start)
    }

    private func readFiles(_ group: inout Group) async throws {
        var stop: ImportError?
        do {
            for index in position.file..<files.count where stop == nil {
                if index > position.file {
                    position.file = index
                    position.offset = 0
                    position.line = 1
                }
                stop = try await readFile(files[index], &group)
                finishedBytes += files[index].identity?.size ?? 0
            }
        } catch {
            // What is being written is waited for, so that the state says as much as it can.
            while let result = await group.nextResult() {
                if case .success(let written) = result { settle(written) }
            }
            throw error
        }
        while let written = try await nextWritten(&group) { settle(written) }
        if let stop { throw stop }
    }

    /// The next acknowledged batch; after a failure the others are still waited for.
    private func nextWritten(_ group: inout Group) async throws -> Written? {
        do {
            return try await group.next()
        } catch {
            while let result = await group.nextResult() {
                if case .success(let written) = result { settle(written) }
            }
            throw error
        }
    }

    /// Reads one file to its end; returns why the import is to stop there, if it is.
    private func readFile(_ file: InputFile, _ group: inout Group) async throws -> ImportError? {
        let reading = try FileImport(
            file,
            environment: job.environment,
            options: job.options,
            table: table,
            columns: columns,
            rejects: rejects,
            position: position
        )
        while true {
            if job.interruption.isRequested { return .interrupted("stopped") }
            let batch = freeBatches.popLast() ?? RowBatch(columnCount: columns.count)
            let outcome = try reading.fill(batch, &position)
            try await write(batch, &group)
            progress.update(
                now: now,
                rows: window.position.written,
                rejected: position.rejected,
                bytes: finishedBytes + reading.consumed
            )
            switch outcome {
            case .more: try saveIfDue()
            case .end: return nil
            case .tooManyRejects:
                return .failure(
                    "\(position.rejected.grouped) records are rejected, more than --max-rejects "
                        + "\(job.options.maxRejects) allows; the first are in \(job.options.rejects)"
                )
            }
        }
    }

    /// Hands a batch over, and waits while too many are being written.
    private func write(_ batch: RowBatch, _ group: inout Group) async throws {
        let number = window.begin(endingAt: position)
        guard let target = job.target, !job.options.dryRun, batch.rowCount > 0 else {
            settle(Written(number: number, batch: batch))
            return
        }
        let clock = job.environment.clock.microsecondsSinceEpoch()
        batch.firstTimestamp = max(clock, lastTimestamp + 1)
        lastTimestamp = batch.firstTimestamp + Int64(batch.rowCount)
        group.addTask {
            try await target.write(batch)
            return Written(number: number, batch: batch)
        }
        while window.inFlight >= job.options.batchesInFlight {
            guard let written = try await nextWritten(&group) else { return }
            settle(written)
        }
    }

    private func settle(_ written: Written) {
        window.acknowledge(written.number)
        freeBatches.append(written.batch)
    }

    // MARK: State

    private func saveIfDue() throws(ImportError) {
        guard now - lastSave >= ImportRun.saveInterval else { return }
        lastSave = now
        try save()
    }

    private func save() throws(ImportError) {
        guard keepsState, savedPosition != window.position else { return }
        try rejects?.sync()
        let state = ImportState(
            arguments: job.stateArguments,
            files: files.compactMap(\.identity),
            position: window.position
        )
        do throws(FileError) {
            try stateFile.write(Array(state.text.utf8))
        } catch {
            throw .failure("cannot save how far the import has come: \(error)")
        }
        savedPosition = window.position
    }

    private var stateFile: SmallFile {
        SmallFile(path: job.options.state, fileSystem: job.environment.fileSystem)
    }

    // MARK: The end

    /// Saves the state and says how to go on.
    private func stopped(_ error: ImportError) -> ImportError {
        var text = error.description
        if case .interrupted = error { text = "stopped by a signal" }
        let done = window.position
        text +=
            "\n\(done.written.grouped) rows are written and \(done.rejected.grouped) rejected"
        do throws(ImportError) {
            try save()
            try rejects?.close()
            if keepsState {
                text += "; the same command goes on from there (\(job.options.state))"
            }
        } catch {
            text += "; \(error)"
        }
        switch error {
        case .interrupted: return .interrupted(text)
        case .usage, .failure: return .failure(text)
        }
    }

    /// Proves the count, cleans up and reports.
    private func finish(from start: ImportPosition) throws(ImportError) -> ImportJob.Summary {
        let done = window.position
        guard window.inFlight == 0, done == position, done.read == done.written + done.rejected
        else {
            throw .failure(
                "the count does not come out: read \(done.read), written \(done.written), rejected "
                    + "\(done.rejected); this is a mistake in tholos, please report it"
            )
        }
        try rejects?.close()
        if keepsState {
            do throws(FileError) { try stateFile.remove() } catch { throw .failure("\(error)") }
        }
        let seconds = max(progress.seconds(now), 0.001)
        let rate = Int(Double(done.written - start.written) / seconds)
        let verb = job.options.dryRun ? "convertible" : "written"
        job.output.line(
            "read \(done.read.grouped) = \(verb) \(done.written.grouped) + rejected "
                + "\(done.rejected.grouped) · \(ImportRun.rounded(seconds)) s · "
                + "\(rate.grouped) rows/s"
        )
        if done.rejected > 0 {
            job.output.line("rejected records, with reasons: \(job.options.rejects)")
        }
        return ImportJob.Summary(read: done.read, written: done.written, rejected: done.rejected)
    }

    private static func rounded(_ seconds: Double) -> String {
        let hundredths = Int(seconds * 100)
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}
