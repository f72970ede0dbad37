// SPDX-License-Identifier: Apache-2.0

/// What a statement may take at most; checked before memory or stack is taken.
package struct SyntaxLimits: Sendable {
    /// The longest statement, in bytes of UTF-8.
    package var statementSizeMax: Int
    /// How deep terms, types and relations may nest.
    package var nestingDepthMax: Int
    /// How many bind markers a statement may have.
    package var markerCountMax: Int

    /// The given limits; by default 16 MiB, 64 levels and 65,535 bind markers (the native protocol
    /// counts bound values in 16 bits).
    package init(
        statementSizeMax: Int = 16 << 20,
        nestingDepthMax: Int = 64,
        markerCountMax: Int = 65_535
    ) {
        self.statementSizeMax = statementSizeMax
        self.nestingDepthMax = nestingDepthMax
        self.markerCountMax = markerCountMax
    }
}
