// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import CQLProtocol
import Foundation
import Storage
import Testing

/// Inputs that once stopped a decoder don't any more.
@Suite struct CrasherTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("inputs")

    private static let decoders: [String: @Sendable (ByteView) -> Void] = [
        "frames": CQLProtocolFuzz.run,
        "messages": CQLProtocolFuzz.runBody,
        "cql": CQLSyntaxFuzz.run,
        "commitlog": CommitLogFuzz.run,
        "sstable": SSTableFuzz.run,
    ]

    @Test func everyCrasherIsReplayed() throws {
        let manager = FileManager.default
        for name in try manager.contentsOfDirectory(atPath: Self.folder.path)
        where name != "README.md" {
            let decode = try #require(Self.decoders[name], "no decoder is called \(name)")
            let inputs = Self.folder.appendingPathComponent(name)
            for file in try manager.contentsOfDirectory(atPath: inputs.path).sorted() {
                // When this one stops the process, the last line says which it was.
                print("replaying \(name)/\(file)")
                let bytes = try Data(contentsOf: inputs.appendingPathComponent(file))
                Array(bytes).withView { decode($0) }
            }
        }
    }

    @Test(arguments: decoders.keys.sorted())
    func noInputStopsADecoder(name: String) throws {
        let decode = try #require(Self.decoders[name])
        [UInt8]().withView { decode($0) }
        for byte in UInt8.min...UInt8.max {
            for count in [1, 2, 9, 64] {
                Array(repeating: byte, count: count).withView { decode($0) }
            }
        }
    }
}
