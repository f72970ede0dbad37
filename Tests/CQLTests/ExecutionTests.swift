// SPDX-License-Identifier: Apache-2.0

import Testing

/// Statements and what comes of them, executed on a node in memory.
///
/// The commands of the files: `cql` executes a statement, `page N` the same with pages of N rows,
/// `advance N` lets N seconds pass.
struct ExecutionTests {
    @Test("statements give what the files say", arguments: [
        "execution-select.txt", "execution-group.txt", "execution-write.txt",
    ])
    func golden(_ name: String) throws {
        let processor = try TestProcessor()
        try GoldenFile(name).check { directive in
            let words = directive.command.split(separator: " ")
            let number = words.count > 1 ? Int32(words[1]) : nil
            if words.first == "advance" {
                processor.advance(seconds: UInt64(number ?? 0))
                return ""
            }
            return processor.execute(directive.input, pageSize: number)
        }
    }
}
