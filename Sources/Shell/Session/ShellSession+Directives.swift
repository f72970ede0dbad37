// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

extension ShellSession {
    /// Carries out a command of the shell; whether it succeeded.
    func carryOut(_ directive: Directive, place: String) async -> Bool {
        switch directive {
        case .malformed(let message): return fail(place + message)
        case .help(let topics): return help(topics)
        case .exit: isLeaving = true
        case .clear: console.clear()
        case .consistency(let level): setConsistency(level)
        case .serialConsistency(let level): setSerialConsistency(level)
        case .paging(let change): setPaging(change)
        case .flag(let flag, let value): set(flag, value)
        case .format(let format):
            if let format { settings.format = format }
            answer("Output format is \(settings.format.rawValue.uppercased())")
        case .source(let path): return await source(path)
        case .capture(let change): return setCapture(change)
        case .show(let topic): return await show(topic)
        case .history(let count):
            console.write(console.history(count).map { $0 + "\n" }.joined())
        case .copy:
            return fail(
                place + "COPY is not a command of this shell; load files with `tholos import "
                    + "keyspace.table file`, and write rows with FORMAT CSV and CAPTURE 'file'"
            )
        case .login:
            return fail(
                place + "LOGIN: this server has no users yet; whoever reaches it may do all"
            )
        }
        return true
    }

    private func answer(_ text: String) { console.write(text + "\n") }

    private func setConsistency(_ level: Consistency?) {
        if let level {
            settings.consistency = level
            answer("Consistency level set to \(level.description).")
        } else {
            answer("Current consistency level is \(settings.consistency.description).")
        }
    }

    private func setSerialConsistency(_ level: Consistency?) {
        if let level {
            settings.serialConsistency = level
            answer("Serial consistency level set to \(level.description).")
        } else {
            answer("Current serial consistency level is \(settings.serialConsistency.description).")
        }
    }

    private func setPaging(_ change: Directive.PagingChange?) {
        switch change {
        case .on: settings.isPaging = true
        case .off: settings.isPaging = false
        case .size(let size):
            settings.isPaging = true
            settings.pageSize = size
        case nil: break
        }
        if settings.isPaging {
            answer("Paging is ON, \(settings.pageSize) rows a page")
        } else {
            answer("Paging is OFF: all rows, without a pause")
        }
    }

    private func set(_ flag: Directive.Flag, _ value: Bool?) {
        let path: WritableKeyPath<ShellSettings, Bool> =
            switch flag {
            case .expand: \.isExpanded
            case .tracing: \.isTraced
            case .timing: \.isTimed
            }
        let before = settings[keyPath: path]
        guard let value else { return answer("\(flag.rawValue) is \(before ? "ON" : "OFF")") }
        settings[keyPath: path] = value
        if flag == .tracing { hasExplainedTracing = false }
        let verb = value == before ? "is already" : "set to"
        answer("\(flag.rawValue) \(verb) \(value ? "ON" : "OFF")")
    }

    private func setCapture(_ change: Directive.CaptureChange?) -> Bool {
        switch (change, capture) {
        case (nil, let current?): answer("Results go to '\(current.path)'.")
        case (nil, nil): answer("Results are not captured.")
        case (.off, nil): return fail("CAPTURE OFF: results are not captured")
        case (.off, _?): capture = nil
        case (.file, let current?):
            return fail("results go to '\(current.path)' already; enter CAPTURE OFF first")
        case (.file(let path), nil):
            do throws(InputError) {
                capture = (path, try OutputStream(appendingTo: path))
                answer("Results go to '\(path)' from now on; CAPTURE OFF ends it.")
            } catch {
                return fail("CAPTURE: \(error)")
            }
        }
        return true
    }

    private func show(_ topic: Directive.ShowTopic) async -> Bool {
        switch topic {
        case .version: answer(await versions())
        case .host: answer(await connection())
        case .session:
            return fail("SHOW SESSION: this server does not record what a statement does yet")
        }
        return true
    }

    private func help(_ topics: [String]) -> Bool {
        guard !topics.isEmpty else {
            console.write(HelpTopics.overview(width: console.width))
            return true
        }
        guard let text = HelpTopics.text(of: topics.joined(separator: " ")) else {
            return fail("no help on '\(topics.joined(separator: " "))'; HELP lists the topics")
        }
        console.write(text)
        return true
    }

    /// Greets a person: where the shell is connected, and what with.
    func showBanner() async {
        console.write(await connection() + "\n" + versions() + "\n")
        console.write("Type HELP for help, and end statements with a semicolon.\n")
        console.flush()
    }

    private func connection() async -> String {
        let name = await local()["cluster_name"] ?? "Tholos"
        let shown = console.usesColour ? Style.heading.paint(name) : name
        return "Connected to \(shown) at \(backend.place)"
    }

    private func versions() async -> String {
        let local = await local()
        var parts = ["tholos shell \(ProductVersion.text)"]
        if let release = local["release_version"] {
            parts.append("compatible with Cassandra \(release)")
        }
        if let language = local["cql_version"] { parts.append("CQL \(language)") }
        if let version = backend.protocolVersion { parts.append("native protocol v\(version)") }
        return "[" + parts.joined(separator: " | ") + "]"
    }

    /// The text columns of `system.local` that a person is shown.
    private func local() async -> [String: String] {
        let names = ["cluster_name", "release_version", "cql_version"]
        let query = "SELECT \(names.joined(separator: ", ")) FROM system.local"
        guard let result = try? await backend.execute(query, options: StatementOptions()),
            case .rows(let rows) = result.body, let row = rows.rows.first
        else { return [:] }
        let pairs = names.compactMap { name in rows.text(row, name).map { (name, $0) } }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}
