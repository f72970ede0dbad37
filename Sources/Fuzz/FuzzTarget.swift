// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import CQLProtocol
import Storage

/// One decoder of untrusted bytes, by the name that tools/fuzz takes.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (ByteView) -> Void
    /// Inputs to begin from: well-formed ones, so that mutations reach deep.
    let seeds: @Sendable () -> [[UInt8]]

    static let all: [FuzzTarget] = [
        FuzzTarget(name: "frames", run: CQLProtocolFuzz.run, seeds: Seeds.connections),
        FuzzTarget(name: "messages", run: CQLProtocolFuzz.runBody, seeds: Seeds.messages),
        FuzzTarget(name: "cql", run: CQLSyntaxFuzz.run, seeds: Seeds.statements),
        FuzzTarget(name: "commitlog", run: CommitLogFuzz.run, seeds: CommitLogFuzz.seeds),
        FuzzTarget(name: "sstable", run: SSTableFuzz.run, seeds: Seeds.sstables),
    ]
}
