// SPDX-License-Identifier: Apache-2.0

import Testing

/// Statements and what comes of them, executed on a node in memory.
///
/// The commands of the files: `cql` executes a statement, `page N` the same with pages of N rows,
/// `advance N` lets N seconds pass.
struct ExecutionTests {
    @Test(
        "statements give what the files say, from memory and from a disk without any cache",
        arguments: [
            "execution-select.txt", "execution-group.txt", "execution-write.txt",
            "execution-index.txt",
        ],
        [false, true]
    )
    func golden(_ name: String, isOnDisk: Bool) throws {
        let processor = try TestProcessor(isOnDisk: isOnDisk)
        try GoldenFile(name).check { directive in
            let words = directive.command.split(separator: " ")
            let number = words.count > 1 ? Int32(words[1]) : nil
            if words.first == "advance" {
                processor.advance(seconds: UInt64(number ?? 0))
                return ""
            }
            return processor.execute(directive.input, pageSize: number)
        }
        #expect(processor.diskReadsOnShards == 0)
        #expect((processor.diskReads > 0) == isOnDisk)
    }
}
