// SPDX-License-Identifier: Apache-2.0

import Environment
import Testing

@Suite("Batch log")
struct BatchLogTests {
    /// What the disk may hold after a power loss at each sync of a batch.
    private final class Moments: @unchecked Sendable {  // Owner: the test's thread.
        var clones: [MemoryFileSystem] = []
    }

    @Test("A logged batch over two shards is whole or absent after a power loss at any moment")
    func crashes() throws {
        let files = MemoryFileSystem()
        let processor = try TestProcessor(files: files)
        #expect(processor.replayedBatches == 0)
        let setUp = [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (p int PRIMARY KEY, v int)",
        ]
        for statement in setUp { #expect(processor.execute(statement) == "") }
        let moments = Moments()
        files.onSync = { files in
            for seed in 0..<4 as Range<UInt64> {
                moments.clones.append(files.crashClone(keepUnsynced: .seeded(seed)))
            }
            moments.clones.append(files.crashClone(keepUnsynced: .none))
            moments.clones.append(files.crashClone(keepUnsynced: .all))
        }
        let inserts = (0..<8).map { "INSERT INTO k.t (p, v) VALUES (\($0), \($0));" }
        let batch = "BEGIN BATCH " + inserts.joined(separator: " ") + " APPLY BATCH"
        #expect(processor.execute(batch) == "")
        files.onSync = nil
        var whole = 0
        var replayed = 0
        for clone in moments.clones {
            let reopened = try TestProcessor(files: clone)
            let count = reopened.execute("SELECT count(*) FROM k.t")
            #expect(count == "0\n" || count == "8\n")
            if count == "8\n" { whole += 1 }
            replayed += try #require(reopened.replayedBatches)
            // What was replayed is not left for the next start.
            #expect(reopened.execute("SELECT count(*) FROM system.batches") == "0\n")
        }
        // The moments cover all: nothing there yet, the log alone, and everything.
        #expect(whole > 0 && whole < moments.clones.count)
        #expect(replayed > 0)
        let final = try TestProcessor(files: files.crashClone(keepUnsynced: .none))
        #expect(final.execute("SELECT count(*) FROM k.t") == "8\n")
    }
}
