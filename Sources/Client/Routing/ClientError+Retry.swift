// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

extension ClientError {
    /// Whether another node may be asked: the first has done nothing, or the request may be executed twice.
    func mayBeRetried(isIdempotent: Bool) -> Bool {
        switch kind {
        case .connection, .timeout: isIdempotent
        case .protocolViolation, .closed: false
        case .server(let error):
            switch error.kind {
            case .overloaded, .bootstrapping, .unavailable: true
            case .readTimeout, .readFailure, .writeTimeout, .writeFailure, .server, .truncate: isIdempotent
            default: false
            }
        }
    }

    /// Whether the node is lost. What it had to do goes to others at once, and no more comes to it: that is no overload that
    /// retries could make worse, so they don't need the budget.
    var isLostConnection: Bool {
        if case .connection = kind { return true }
        return false
    }

    /// Whether it tells of the node's state more than of the request.
    var isNodesFault: Bool {
        switch kind {
        case .connection, .timeout, .protocolViolation: true
        case .closed: false
        case .server(let error):
            switch error.kind {
            case .overloaded, .bootstrapping, .server: true
            default: false
            }
        }
    }
}
