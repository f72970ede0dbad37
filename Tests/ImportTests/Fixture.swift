// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Import
import Model
import Synchronization
import Testing

/// An import in memory: files, a target, and what was said.
final class Fixture {
    let files = MemoryFileSystem()
    let clock = ManualClock()
    let interruption = Interruption()
    let said = Said()
    let target: MemoryTarget

    final class Said: Sendable {
        let lines = Mutex<[String]>([])
        var text: String { lines.withLock { $0.joined(separator: "\n") } }
    }

    init(_ table: ImportTable? = nil) {
        target = MemoryTarget(table, interruption: interruption)
    }

    static let name = TableName(keyspace: "demo", table: "t")

    /// A table `demo.t` whose first column is the partition key.
    static func table(_ columns: KeyValuePairs<String, CQLType>) -> ImportTable {
        ImportTable(
            name: name,
            columns: columns.enumerated().map { index, column in
                ImportColumn(
                    name: column.key,
                    type: column.value,
                    role: index == 0 ? .partitionKey(0) : .regular
                )
            }
        )
    }

    func write(_ path: String, _ text: String) throws { try write(path, Array(text.utf8)) }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        let file = try files.create(path)
        try bytes.withView { (view) throws(FileError) in try file.append(view) }
        file.close()
    }

    func read(_ path: String) throws -> String? {
        guard try files.kind(path) != nil else { return nil }
        let file = try files.open(path)
        var bytes = [UInt8](repeating: 0, count: file.size)
        _ = try bytes.withUnsafeMutableBytes { (buffer) throws(FileError) in
            try file.read(at: 0, into: buffer)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func options(_ files: String...) -> ImportOptions {
        var options = ImportOptions(table: Fixture.name, files: files)
        options.batchRows = 4
        options.batchesInFlight = 2
        return options
    }

    func run(_ options: ImportOptions) async throws(ImportError) -> ImportJob.Summary {
        try await job(options, target).run()
    }

    func job(_ options: ImportOptions, _ target: MemoryTarget?) -> ImportJob {
        let said = said
        return ImportJob(
            options: options,
            environment: Environment(
                fileSystem: files,
                clock: clock,
                random: SeededRandom(seed: 1),
                background: ManualExecutor(clock: clock)
            ),
            target: target,
            output: ImportOutput(
                isTerminal: false,
                line: { line in said.lines.withLock { $0.append(line) } },
                progress: { _ in }
            ),
            interruption: interruption
        )
    }

    /// The rows as text, sorted: `column=value` in the order of the table's columns.
    var rows: [String] {
        target.state.withLock { state in
            state.rows.values.map { cells in
                state.columns.compactMap { column -> String? in
                    guard let value = cells[column.name] else { return nil }
                    return "\(column.name)=\(value.map { Fixture.text($0, column.type) } ?? "null")"
                }
                .joined(separator: " ")
            }
            .sorted()
        }
    }

    static func text(_ bytes: [UInt8], _ type: CQLType) -> String {
        let number = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        switch type {
        case .text, .ascii: return "'" + String(decoding: bytes, as: UTF8.self) + "'"
        case .int: return String(Int32(truncatingIfNeeded: number))
        case .bigint, .timestamp: return String(Int64(bitPattern: number))
        case .double: return String(Double(bitPattern: number))
        case .boolean: return number == 1 ? "true" : "false"
        default:
            return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}

/// The error that a body throws.
func importError<R>(_ body: () async throws(ImportError) -> R) async -> ImportError? {
    do throws(ImportError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
