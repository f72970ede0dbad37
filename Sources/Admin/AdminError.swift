// SPDX-License-Identifier: Apache-2.0

import AdminProtocol

/// A command could not be done.
enum AdminError: Error, CustomStringConvertible {
    /// Nobody listens there, or who does isn't heard.
    case noAnswer(host: String, port: Int, reason: String)
    /// Somebody answered that isn't a node's admin port.
    case notANode(host: String, port: Int, found: String)
    /// The node says why not.
    case refused(AdminFailure)

    var description: String {
        switch self {
        case .noAnswer(let host, let port, let reason):
            "no node answers on \(host):\(port) (\(reason)); is one running there, and is that its "
                + "admin_port? --host and --port name another"
        case .notANode(let host, let port, let found):
            "what answers on \(host):\(port) isn't a node's admin port: \(found)"
        case .refused(let failure): failure.error
        }
    }

    var exitCode: Int32 {
        switch self {
        case .noAnswer, .notANode: 3
        case .refused(let failure): failure.kind == .badRequest ? 2 : 1
        }
    }
}
