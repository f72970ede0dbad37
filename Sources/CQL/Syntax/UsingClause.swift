// SPDX-License-Identifier: Apache-2.0

/// What a statement sets after `USING`; of a setting that is repeated, the last counts.
package struct UsingClause: Sendable {
    /// The write timestamp in microseconds: an integer or a marker.
    package var timestamp: Term?
    /// The time to live in seconds: an integer or a marker.
    package var timeToLive: Term?
    /// How long the statement may take: a duration, an integer or a marker.
    package var timeout: Term?

    /// No settings.
    package init() {}
}
