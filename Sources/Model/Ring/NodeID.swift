// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Names a node of a cluster for good, whatever addresses it has: its host id.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let uuid: UUID

    package init(_ uuid: UUID) { self.uuid = uuid }

    package static func < (a: NodeID, b: NodeID) -> Bool {
        (a.uuid.high, a.uuid.low) < (b.uuid.high, b.uuid.low)
    }

    package var description: String { uuid.description }
}

/// Where a node listens: an IP address and a port.
package struct NodeAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes.
    package let ip: [UInt8]
    package let port: UInt16

    /// - Parameter ip: 4 or 16 bytes.
    package init(ip: [UInt8], port: UInt16) {
        invariant(ip.count == 4 || ip.count == 16, "an IP address has 4 or 16 bytes")
        self.ip = ip
        self.port = port
    }

    package static func < (a: NodeAddress, b: NodeAddress) -> Bool {
        if a.ip == b.ip { return a.port < b.port }
        if a.ip.count != b.ip.count { return a.ip.count < b.ip.count }
        return a.ip.lexicographicallyPrecedes(b.ip)
    }

    /// `127.0.0.1:7000`, or `[::1]:7000`.
    package var description: String {
        let text = ip.withView { InetText.text($0) ?? "" }
        return ip.count == 4 ? "\(text):\(port)" : "[\(text)]:\(port)"
    }
}

/// Where a node stands: replicas are spread over data centers and, within each, over racks.
package struct NodeLocation: Hashable, Sendable, CustomStringConvertible {
    package let dataCenter: String
    package let rack: String

    package init(dataCenter: String, rack: String) {
        self.dataCenter = dataCenter
        self.rack = rack
    }

    package var description: String { "\(dataCenter):\(rack)" }
}
