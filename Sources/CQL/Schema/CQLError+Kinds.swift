// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

extension CQLError {
    /// A statement that is wrong as it stands.
    static func invalid(_ message: String) -> CQLError { CQLError(.invalid, message) }

    /// Something that this version of Tholos doesn't have.
    static func notYet(_ what: String) -> CQLError {
        CQLError(.invalid, "\(what) isn't supported by this version of Tholos yet")
    }
}
