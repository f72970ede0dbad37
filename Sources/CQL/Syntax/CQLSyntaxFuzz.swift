// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a fuzzer drives: any bytes are a statement or a syntax error, and never a trap.
package enum CQLSyntaxFuzz {
    /// Parses `input` and splits it.
    package static func run(_ input: ByteView) {
        let parsed = try? CQLParser.parse(input)
        for (index, marker) in (parsed?.markers ?? []).enumerated() {
            invariant(marker.index == index, "bind markers are numbered in order")
        }
        var start = 0
        while case .statement(let range, let rest) = StatementSplitter.first(in: input, from: start)
        {
            invariant(range.upperBound < rest, "the semicolon is behind the statement")
            invariant(rest <= input.count, "a statement ends in the text")
            start = rest
        }
    }
}
