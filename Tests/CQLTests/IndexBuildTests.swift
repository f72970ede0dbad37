// SPDX-License-Identifier: Apache-2.0

import Environment
import Testing

/// Building an index for data that is there, with crashes and failing disks in between.
@Suite struct IndexBuildTests {
    /// What has been answered so far.
    private final class Known: @unchecked Sendable {  // Owner: the test's thread.
        var written = 0
        var acknowledged = 0
        var hasTable = false
        var hasIndex = false
    }

    private static let rowsOfFive = 12

    /// Writes rows, some to files, makes an index and writes more.
    private func scenario(_ files: any FileSystem, _ known: Known) {
        guard let processor = try? TestProcessor(fileSystem: files) else { return }
        func execute(_ statement: String) -> Bool { processor.execute(statement) == "" }
        let keyspace =
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        guard execute(keyspace), execute("USE k"),
            execute("CREATE TABLE t (p int, c int, v int, PRIMARY KEY (p, c))")
        else { return }
        known.hasTable = true
        func write(_ count: Int) {
            for _ in 0..<count {
                let row = known.written
                known.written += 1
                let isWritten = execute(
                    "INSERT INTO t (p, c, v) VALUES (\(row % 4), \(row), \(row % 5))"
                )
                if isWritten { known.acknowledged += 1 }
            }
        }
        write(20)
        processor.flush()
        write(10)
        processor.flush()
        write(10)
        if execute("CREATE INDEX i ON t (v) USING 'sai'") { known.hasIndex = true }
        write(10)
        processor.flush()
        processor.compact()
        write(10)
    }

    /// Opens what is left and asks the index.
    private func check(_ files: MemoryFileSystem, _ known: Known, _ place: String) throws {
        let processor = try TestProcessor(files: files)
        guard processor.execute("USE k") == "" else {
            #expect(!known.hasTable, "\(place): the keyspace is gone")
            return
        }
        let all = processor.execute("SELECT p, c, v FROM t WHERE v >= 0 ALLOW FILTERING")
        if all.hasPrefix("error") {
            #expect(!known.hasTable, "\(place): the table is gone")
            return
        }
        let isThere = processor.execute("DESCRIBE INDEX i").contains("CREATE CUSTOM INDEX")
        if known.hasIndex { #expect(isThere, "\(place): the index is gone") }
        guard isThere else { return }
        // The start has built what was left to build.
        let built = processor.execute("SELECT index_name FROM system.\"IndexInfo\"")
        #expect(built == "'i'\n", "\(place): the index isn't built")
        for value in 0..<5 {
            let indexed = processor.execute("SELECT p, c, v FROM t WHERE v = \(value)")
            let filtered = all.split(separator: "\n").filter { $0.hasSuffix("|\(value)") }
            #expect(indexed.split(separator: "\n") == filtered, "\(place), v = \(value)")
        }
        #expect(all.split(separator: "\n").count >= known.acknowledged, "\(place): rows are gone")
        let leftovers = (try? files.list("/node/data/k")) ?? []
        for folder in leftovers {
            let names = (try? files.list("/node/data/k/\(folder)")) ?? []
            #expect(names.allSatisfy { $0.hasSuffix(".sst") }, "\(place): \(names)")
        }
    }

    @Test func aCrashAtEachSyncLeavesAnIndexThatIsRight() throws {
        struct Moment {
            let files: MemoryFileSystem
            let known: Known
            let place: String
        }
        final class Moments: @unchecked Sendable {  // Owner: the test's thread.
            var all: [Moment] = []
            var syncs = 0
        }
        let files = MemoryFileSystem()
        let moments = Moments()
        let known = Known()
        files.onSync = { files in
            let count = moments.syncs
            moments.syncs += 1
            let modes: [MemoryFileSystem.Unsynced] = [.none, .seeded(UInt64(count)), .all]
            let then = Known()
            then.acknowledged = known.acknowledged
            then.hasTable = known.hasTable
            then.hasIndex = known.hasIndex
            moments.all.append(
                Moment(
                    files: files.crashClone(keepUnsynced: modes[count % 3]),
                    known: then,
                    place: "sync \(count), \(modes[count % 3]) of the rest kept"
                )
            )
        }
        scenario(files, known)
        files.onSync = nil
        #expect(known.hasIndex && moments.syncs > 60)
        for moment in moments.all { try check(moment.files, moment.known, moment.place) }
    }

    @Test("the n-th operation of the disk fails", arguments: [false, true])
    func theNthOperationFails(isPersistent: Bool) throws {
        var n = isPersistent ? 3 : 1
        var count = 0
        while true {
            let files = MemoryFileSystem()
            let faults = FaultInjectingFileSystem(
                wrapping: files,
                plan: isPersistent ? .persistent(n) : .transient(n)
            )
            let known = Known()
            scenario(faults, known)
            guard faults.fired else { break }
            count += 1
            // With a failing log, what was acknowledged last counts.
            try check(files.crashClone(keepUnsynced: .all), known, "operation \(n) fails")
            n += 5
        }
        #expect(count > 30, "the scenario has become too small")
    }
}
