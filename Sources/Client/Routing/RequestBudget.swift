// SPDX-License-Identifier: Apache-2.0

/// Bounds what is sent beside the requests themselves, so that retries and hedges never multiply an overload: each
/// request earns a part of one, and what isn't used is kept up to a small sum (a token bucket).
package struct RequestBudget: Sendable {
    /// Enough for a node's loss at a quiet time.
    private static let kept = 10.0

    private let perRequest: Double
    private var balance = kept

    /// - Parameter percent: how many may be sent for a hundred requests.
    package init(percent: Double) { perRequest = max(percent, 0) / 100 }

    /// A request is sent.
    package mutating func earn() { balance = min(balance + perRequest, RequestBudget.kept) }

    /// Takes one; false if there is none.
    package mutating func spend() -> Bool {
        guard balance >= 1, perRequest > 0 else { return false }
        balance -= 1
        return true
    }
}
