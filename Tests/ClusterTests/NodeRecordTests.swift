// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct NodeAddressTests {
    @Test func addressesPrintAsPeopleWriteThem() {
        #expect(NodeAddress(ip: [127, 0, 0, 1], port: 7000).description == "127.0.0.1:7000")
        let loopback = NodeAddress(ip: Array(repeating: 0, count: 15) + [1], port: 7001)
        #expect(loopback.description == "[::1]:7001")
    }

    @Test func addressesAreInOrderOfFamilyBytesAndPort() {
        let a = NodeAddress(ip: [10, 0, 0, 1], port: 9)
        let b = NodeAddress(ip: [10, 0, 0, 2], port: 1)
        let c = NodeAddress(ip: Array(repeating: 0, count: 16), port: 1)
        #expect([c, b, a].sorted() == [a, b, c])
    }
}
