// SPDX-License-Identifier: Apache-2.0

package import Environment
internal import Storage

/// `tholos sstable verify`: checks files and tells what is wrong with them.
package struct VerifyReport {
    let fileSystem: any FileSystem
    let output: ReportOutput
    let isJSON: Bool
    let clock: any Clock

    package init(
        fileSystem: any FileSystem,
        output: ReportOutput,
        isJSON: Bool,
        clock: any Clock
    ) {
        self.fileSystem = fileSystem
        self.output = output
        self.isJSON = isJSON
        self.clock = clock
    }

    /// Checks `files`; false when something is wrong with one.
    package func run(_ files: [String]) -> Bool {
        let start = clock.monotonicNanoseconds()
        var bytes = 0
        var problems = 0
        var checked = 0
        for path in files {
            let result = SSTableVerifier.verify(fileSystem: fileSystem, path: path)
            if isGone(result) { continue }
            checked += 1
            bytes += result.byteCount
            problems += result.problems.count
            if isJSON { output.line(json(result).line) } else { show(result) }
            output.flush()
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        if !isJSON {
            let rate = seconds > 0 ? Double(bytes) / 1e6 / seconds : 0
            output.line(
                "\(checked) \(checked == 1 ? "file" : "files"), \(Text.size(bytes)) checked in "
                    + "\(Text.decimal(seconds, digits: 2)) s (\(Text.decimal(rate, digits: 0)) MB/s): "
                    + (problems == 0
                        ? "all sound" : problems == 1 ? "1 problem" : "\(problems) problems")
            )
        }
        return problems == 0
    }

    /// Whether a running node removed the file since it was listed.
    private func isGone(_ result: SSTableVerification) -> Bool {
        guard result.problems.count == 1, case .file(let error) = result.problems[0] else {
            return false
        }
        return error.operation == .open && error.reason == .notFound
    }

    private func show(_ result: SSTableVerification) {
        guard !result.isSound else {
            return output.line(
                "ok       \(result.path)  \(Text.size(result.byteCount)), "
                    + "\(Text.number(result.blockCount)) blocks, "
                    + "\(Text.number(result.entryCount)) entries"
            )
        }
        output.line("DAMAGED  \(result.path)")
        let keys = keyText(result.path)
        for problem in result.problems {
            guard case .corruption(let error) = problem else {
                output.line("         \(problem)")
                continue
            }
            output.line(
                "         offset \(error.offset), \(error.length) bytes: expected "
                    + "\(error.expected), found \(error.found)"
            )
            if let span = error.keys {
                let first = keys?.describe(span.first) ?? Hexadecimal.text(span.first)
                let last = keys?.describe(span.last) ?? Hexadecimal.text(span.last)
                output.line("           keys from \(first)")
                output.line("           to        \(last)")
            }
        }
        if case .corruption(let error) = result.problems[0] {
            output.line("         to do: \(error.advice)")
        }
    }

    private func keyText(_ path: String) -> KeyText? {
        guard let reader = try? SSTableReader.open(fileSystem: fileSystem, path: path) else {
            return nil
        }
        return KeyText(reader)
    }

    private func json(_ result: SSTableVerification) -> JSON {
        .object([
            ("file", .text(result.path)), ("sound", .boolean(result.isSound)),
            ("bytes", .count(result.byteCount)), ("blocks", .count(result.blockCount)),
            ("entries", .count(result.entryCount)),
            ("problems", .array(result.problems.map(\.json))),
        ])
    }
}
