// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Environment
internal import Model

extension ShellSession {
    /// Sends a statement to the database and shows what it yields; whether it succeeded.
    func send(_ statement: String, place: ScriptPlace?) async -> Bool {
        let started = clock.monotonicNanoseconds()
        let kind = StatementKind(statement)
        do throws(ShellError) {
            var options = options(for: kind)
            let first = try await backend.execute(statement, options: options)
            hasLostConnection = false
            show(warnings: first.warnings)
            switch first.body {
            case .void: break
            case .keyspace(let name): settings.keyspace = name
            case .schemaChange: catalog.isStale = true
            case .rows(let rows):
                try await show(rows, of: statement, kind: kind, options: &options)
            }
            explainTrace(first.traceID)
        } catch {
            hasLostConnection = error.isConnectionLost
            let line = ErrorReport.position(in: error.message)?.line ?? 1
            let prefix = place?.prefix(lineWithin: line) ?? ""
            let text = ErrorReport.render(error, statement: statement, place: prefix)
            return fail(String(text.dropLast()))
        }
        if settings.isTimed {
            let microseconds = (clock.monotonicNanoseconds() - started) / 1000
            writeResult("\(microseconds / 1000).\(microseconds / 100 % 10) ms\n")
        }
        if kind == .schema { catalog.isStale = true }
        return true
    }

    private func options(for kind: StatementKind) -> StatementOptions {
        var options = StatementOptions()
        options.consistency = kind == .describe ? .localOne : settings.consistency
        options.serialConsistency = settings.serialConsistency
        options.keyspace = settings.keyspace
        options.pageSize = pageSize
        options.isTraced = settings.isTraced && kind != .describe
        return options
    }

    /// Whether a person is asked before each further page.
    private var pausesBetweenPages: Bool {
        settings.isPaging && console.isInteractive && capture == nil && sources.isEmpty
    }

    private var pageSize: Int {
        if pausesBetweenPages { return settings.pageSize }
        // A page that a person has chosen stays; otherwise fewer round trips.
        let isChosen = settings.pageSize != ShellSettings.pageSizeOnScreen
        return isChosen && settings.isPaging ? settings.pageSize : ShellSettings.pageSizeStreaming
    }

    /// Shows the first page of rows and fetches the others.
    private func show(
        _ first: ShellRows,
        of statement: String,
        kind: StatementKind,
        options: inout StatementOptions
    ) async throws(ShellError) {
        if kind == .describe {
            var all = first.rows
            var state = first.pagingState
            while state != nil {
                options.pagingState = state
                guard
                    case .rows(let page) = try await backend.execute(statement, options: options)
                        .body
                else { break }
                all += page.rows
                state = page.pagingState
            }
            return showDescription(ShellRows(columns: first.columns, rows: all))
        }
        var printer = RowPrinter(
            columns: first.columns,
            styles: paints ? await columnStyles(first.columns) : [:],
            settings: settings,
            colour: paints,
            repeatsHeader: pausesBetweenPages
        )
        var page = first
        writeResult(printer.opening())
        while true {
            writeResult(printer.page(page.rows, isFirst: options.pagingState == nil))
            guard let state = page.pagingState else { break }
            if console.takeInterrupt() || (pausesBetweenPages && !console.askForMore()) {
                printer.isCutShort = true
                break
            }
            options.pagingState = state
            let next = try await backend.execute(statement, options: options)
            guard case .rows(let rows) = next.body else { break }
            page = rows
        }
        writeResult(printer.closing())
    }

    private func show(warnings: [String]) {
        for warning in warnings { console.writeError("Warning: \(warning)\n") }
    }

    private func explainTrace(_ id: UUID?) {
        guard settings.isTraced else { return }
        if let id {
            writeResult("Tracing session: \(id)\n")
        } else if !hasExplainedTracing {
            hasExplainedTracing = true
            console.writeError("No trace: this server does not record what a statement does yet.\n")
        }
    }
}

/// What the shell has to know of a statement before it sends it.
enum StatementKind: Equatable {
    case describe
    case schema
    case other

    init(_ statement: String) {
        switch statement.prefix(while: { $0.isLetter }).uppercased() {
        case "DESC", "DESCRIBE": self = .describe
        case "CREATE", "ALTER", "DROP": self = .schema
        default: self = .other
        }
    }
}
