// SPDX-License-Identifier: Apache-2.0

/// How many replicas must answer (native_protocol_v5.spec, section 3).
package enum Consistency: UInt16, Sendable, CaseIterable, CustomStringConvertible {
    case any = 0x0000
    case one = 0x0001
    case two = 0x0002
    case three = 0x0003
    case quorum = 0x0004
    case all = 0x0005
    case localQuorum = 0x0006
    case eachQuorum = 0x0007
    case serial = 0x0008
    case localSerial = 0x0009
    case localOne = 0x000A

    /// Whether it is a level of the serial phase of conditional statements.
    package var isSerial: Bool { self == .serial || self == .localSerial }

    package var description: String {
        switch self {
        case .any: "ANY"
        case .one: "ONE"
        case .two: "TWO"
        case .three: "THREE"
        case .quorum: "QUORUM"
        case .all: "ALL"
        case .localQuorum: "LOCAL_QUORUM"
        case .eachQuorum: "EACH_QUORUM"
        case .serial: "SERIAL"
        case .localSerial: "LOCAL_SERIAL"
        case .localOne: "LOCAL_ONE"
        }
    }

    /// The level of that name, in any case; nil if there is none.
    package init?(name: String) {
        let upper = name.uppercased()
        guard let level = Consistency.allCases.first(where: { $0.description == upper }) else {
            return nil
        }
        self = level
    }
}
