// SPDX-License-Identifier: Apache-2.0

/// How many replicas have to answer a statement; the raw value is the native protocol's code.
package enum Consistency: UInt16, CaseIterable, Sendable {
    case any = 0x00
    case one = 0x01
    case two = 0x02
    case three = 0x03
    case quorum = 0x04
    case all = 0x05
    case localQuorum = 0x06
    case eachQuorum = 0x07
    case serial = 0x08
    case localSerial = 0x09
    case localOne = 0x0A

    /// The level that a person names, in any case; nil when there is none of that name.
    package init?(name: String) {
        let upper = name.uppercased()
        guard let found = Consistency.allCases.first(where: { $0.name == upper }) else {
            return nil
        }
        self = found
    }

    /// The level as CQL tools write it, such as `LOCAL_QUORUM`.
    package var name: String {
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

    /// Whether it can be the level of a conditional write's Paxos round.
    package var isSerial: Bool { self == .serial || self == .localSerial }
}
