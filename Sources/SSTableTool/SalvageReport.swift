// SPDX-License-Identifier: Apache-2.0

package import Environment
internal import Model
internal import Storage

/// `tholos sstable salvage`: saves what can be read of damaged files, and names what is lost.
package struct SalvageReport {
    let fileSystem: any FileSystem
    let output: ReportOutput
    let isJSON: Bool
    /// The new file; nil for a trial.
    let target: String?
    /// Names the new file among all.
    let identity: UInt64

    package init(
        fileSystem: any FileSystem,
        output: ReportOutput,
        isJSON: Bool,
        target: String?,
        identity: UInt64
    ) {
        self.fileSystem = fileSystem
        self.output = output
        self.isJSON = isJSON
        self.target = target
        self.identity = identity
    }

    /// Salvages `files`; false when something was lost or can't be read.
    package func run(_ files: [String]) -> Bool {
        var isSound = true
        for path in files {
            let result = SSTableSalvager.salvage(
                fileSystem: fileSystem,
                path: path,
                to: target,
                identity: identity
            )
            isSound = isSound && result.isSound
            if isJSON { output.line(json(result).line) } else { show(result) }
            output.flush()
        }
        return isSound
    }

    // MARK: Text

    private func show(_ result: SSTableSalvage) {
        if let failure = result.failure {
            output.line("\(result.path): nothing was saved: \(failure)")
            return
        }
        let keys = KeyText(schema: result.schema)
        output.line(
            (result.isSound ? "SOUND    " : "DAMAGED  ")
                + "\(result.path)  \(Text.size(result.byteCount))"
        )
        output.line(
            "         readable: \(Text.number(result.partitionCount)) partitions, "
                + "\(Text.number(result.rowCount)) rows, \(Text.number(result.entryCount)) entries "
                + "in \(Text.number(result.blockCount)) blocks"
        )
        if let stated = result.stated, !result.isSound {
            output.line(
                "         lost:     \(Text.number(stated.partitionCount - result.partitionCount)) "
                    + "whole partitions, \(Text.number(stated.rowCount - result.rowCount)) rows, of "
                    + "\(Text.number(stated.partitionCount)) and \(Text.number(stated.rowCount))"
            )
        }
        for run in result.lost { show(run, keys) }
        for problem in result.problems {
            guard case .corruption(let error) = problem else {
                output.line("         \(problem)")
                continue
            }
            output.line(
                "         offset \(error.offset), \(error.length) bytes: expected "
                    + "\(error.expected), found \(error.found)"
            )
        }
        if let summary = result.output {
            output.line("         written: \(summary.path)  \(Text.size(summary.count))")
        } else if !result.isSound {
            output.line("         nothing was written: --output PATH saves what is readable")
        }
    }

    private func show(_ run: LostRun, _ keys: KeyText) {
        let count = run.entryCount.map { ", \(Text.number($0)) entries" } ?? ""
        output.line("         lost: offset \(run.offset), \(run.length) bytes\(count)")
        output.line(
            "           keys from \(SalvageReport.describe(run.keys.first, keys, "the beginning"))"
        )
        output.line(
            "           to        \(SalvageReport.describe(run.keys.last, keys, "the end"))"
        )
        for edge in run.edges {
            let verb = edge.isCertain ? "a part is lost of" : "a part may be lost of"
            output.line("           \(verb) partition \(keys.describe(edge.partition))")
        }
    }

    private static func describe(_ key: [UInt8], _ keys: KeyText, _ empty: String) -> String {
        key.isEmpty ? empty : keys.describe(key)
    }

    // MARK: JSON

    private func json(_ result: SSTableSalvage) -> JSON {
        let keys = KeyText(schema: result.schema)
        var members: [(String, JSON)] = [
            ("file", .text(result.path)), ("sound", .boolean(result.isSound)),
            ("size", .count(result.byteCount)), ("blocks", .count(result.blockCount)),
            ("partitions", .count(result.partitionCount)), ("rows", .count(result.rowCount)),
            ("entries", .count(result.entryCount)),
        ]
        if let stated = result.stated {
            members.append(
                ("lostPartitions", .count(stated.partitionCount - result.partitionCount))
            )
            members.append(("lostRows", .count(stated.rowCount - result.rowCount)))
            members.append(("lostEntries", .count(stated.entryCount - result.entryCount)))
        }
        members.append(("lost", .array(result.lost.map { SalvageReport.json($0, keys) })))
        members.append(("problems", .array(result.problems.map(\.json))))
        if let failure = result.failure { members.append(("error", failure.json)) }
        members.append(("output", result.output.map { .text($0.path) } ?? .null))
        return .object(members)
    }

    private static func json(_ run: LostRun, _ keys: KeyText) -> JSON {
        .object([
            ("offset", .count(run.offset)), ("length", .count(run.length)),
            ("entries", run.entryCount.map { .count($0) } ?? .null),
            ("from", .text(describe(run.keys.first, keys, ""))),
            ("to", .text(describe(run.keys.last, keys, ""))),
            ("firstKey", .text(Hexadecimal.text(run.keys.first))),
            ("lastKey", .text(Hexadecimal.text(run.keys.last))),
            (
                "partitions",
                .array(
                    run.edges.map { edge in
                        .object([
                            ("key", .text(keys.describe(edge.partition))),
                            ("certain", .boolean(edge.isCertain)),
                        ])
                    }
                )
            ),
        ])
    }
}
