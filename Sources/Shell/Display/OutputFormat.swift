// SPDX-License-Identifier: Apache-2.0

/// How the shell writes rows.
package enum OutputFormat: String, CaseIterable, Sendable {
    /// Aligned columns, or one column a line with `EXPAND ON`.
    case table
    /// One JSON object a line and row.
    case json
    /// Comma-separated values with a header, quoted as in RFC 4180.
    case csv
}
