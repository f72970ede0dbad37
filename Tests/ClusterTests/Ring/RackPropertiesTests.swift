// SPDX-License-Identifier: Apache-2.0

import Cluster
import Model
import Testing

@Suite struct RackPropertiesTests {
    @Test func fileOfCassandraIsRead() throws {
        let text = """
            # These properties are used with GossipingPropertyFileSnitch and will
            ! indicate the rack and dc for this node
            dc = dc1
              rack:rack 1\t

            # dc_suffix=no
            dc_suffix=_east
            prefer_local=true
            ec2_naming_scheme=legacy
            """
        let properties = try RackProperties(parsing: text)
        #expect(properties.location == NodeLocation(dataCenter: "dc1", rack: "rack 1"))
        #expect(properties.prefersLocal)
        #expect(properties.dataCenterSuffix == "_east")
        #expect(properties.unknownKeys == ["ec2_naming_scheme"])
    }

    @Test func windowsLinesAreRead() throws {
        let properties = try RackProperties(parsing: "dc=a\r\nrack=b\r\n")
        #expect(properties.location == NodeLocation(dataCenter: "a", rack: "b"))
        #expect(!properties.prefersLocal)
    }

    @Test(arguments: [
        ("", "the rack properties have no dc: add a line dc=NAME"),
        ("dc=a\nrack=", "the rack properties have no rack: add a line rack=NAME"),
        ("dc=a\nrack", "line 2 of the rack properties is neither KEY=VALUE nor a comment: rack"),
        (
            "dc=a\ndc=b",
            "line 2 of the rack properties sets dc again: remove one of the two lines"
        ),
        (
            "dc=a\nrack=b\nprefer_local=yes",
            "line 3 of the rack properties: prefer_local must be true or false, not yes"
        ),
        (
            "dc=a\u{7}\nrack=b",
            "line 1 of the rack properties: dc must be a printable name of at most 255 bytes"
        ),
    ])
    func mistakeIsNamed(text: String, sentence: String) {
        let error = #expect(throws: RackPropertiesError.self) {
            try RackProperties(parsing: text)
        }
        #expect(error?.description == sentence)
    }
}
