// SPDX-License-Identifier: Apache-2.0

/// Stops the process when `condition` is false; unlike `precondition`, the message survives in
/// release builds.
///
/// For what must never be false by our own doing. Never for input from a client, a file or a peer:
/// that is an error value.
@inlinable
package func invariant(
    _ condition: @autoclosure () -> Bool,
    _ message: @autoclosure () -> String = "",
    file: StaticString = #fileID,
    line: UInt = #line
) {
    if !condition() { invariantFailure(message(), file: file, line: line) }
}

/// Stops the process with `message`: an invariant of our own does not hold.
@inline(never)
@usableFromInline
package func invariantFailure(
    _ message: String,
    file: StaticString = #fileID,
    line: UInt = #line
) -> Never {
    fatalError("invariant broken: \(message)", file: file, line: line)
}
