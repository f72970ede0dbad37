// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Cluster
internal import Model
package import Storage

/// What the answers of several replicas to one read come to.
package struct MergedAnswers: Sendable {
    /// Where the entries are: in the one answer that stands for all, or merged.
    package enum Entries: Sendable {
        /// As a mutation that is well-formed.
        case answer([UInt8])
        case merged(Memtable)
    }

    /// All entries of all answers, as far as all of them go.
    package let entries: Entries
    /// How far that is; nil for all of the run.
    package let horizon: [UInt8]?
    /// What each replica lacks of it, as a mutation; those that lack nothing are left out.
    let repairs: [(id: NodeID, mutation: [UInt8])]
    /// The bytes of other nodes' answers that were merged; 0 if digests were enough.
    var receivedCount = 0

    /// The same of a run that was cut there.
    func ending(at cut: [UInt8]) -> MergedAnswers {
        guard horizon == nil else { return self }
        return MergedAnswers(entries: entries, horizon: cut, repairs: repairs, receivedCount: receivedCount)
    }

    /// The entries in a memtable, which takes memory of its own from the system: not for reads of one row.
    package var memtable: Memtable {
        switch entries {
        case .merged(let memtable): return memtable
        case .answer(let mutation):
            do throws(MalformedBytes) {
                return try AnswerMerge.memtable(mutation)
            } catch {
                invariantFailure("an answer that was checked is malformed: \(error)")
            }
        }
    }

    /// The value of a row, if the entries are nothing but this row; `body` gets nil if there are none.
    /// Nil for anything else.
    package func onlyRow<R, E: Error>(
        _ key: ByteView,
        _ body: (ByteView?) throws(E) -> R
    ) throws(E) -> R? {
        guard case .answer(let mutation) = entries else { return nil }
        if mutation.isEmpty { return try body(nil) }
        return try mutation.withView { (view) throws(E) -> R? in
            var reader = MutationReader(view)
            guard let group = try? reader.nextGroup(), group.count == 1,
                let entry = try? reader.nextEntry(), entry.key.equals(key)
            else { return nil }
            let value = entry.value
            guard (try? reader.nextGroup()) == nil else { return nil }
            return try body(value)
        }
    }
}

/// Merges answers, and finds out what each replica lacks.
enum AnswerMerge {
    /// The memory that answers may take, merged: far above what a page asks for.
    private static let capacity = 256 << 20
    /// The memory for answers of a row or none, in bytes.
    private static let smallest = 4 << 10

    /// The memtable of one answer's mutation.
    static func memtable(_ mutation: [UInt8]) throws(MalformedBytes) -> Memtable {
        let memtable = Memtable(capacity: mutation.count * 8 + smallest)
        try apply(mutation, to: memtable)
        return memtable
    }

    /// Throws if an answer isn't well-formed.
    static func check(_ mutation: [UInt8]) throws(MalformedBytes) { try each(mutation) { _, _, _ in } }

    /// - Parameter run: what was read, without limits.
    static func merge(
        _ answers: [(id: NodeID, data: ReadAnswer.Data)],
        _ run: ReplicaRead.Run,
        _ table: TableSchema
    ) throws(MalformedBytes) -> MergedAnswers {
        let bytes = answers.reduce(0) { $0 + $1.data.mutation.count }
        let memtable = Memtable(capacity: min(bytes * 8 + smallest, capacity))
        var own: [Memtable] = []
        for answer in answers {
            own.append(try Self.memtable(answer.data.mutation))
            try apply(answer.data.mutation, to: memtable)
        }
        let horizon = nearest(answers.compactMap(\.data.horizon), isReversed: run.isReversed)
        let common = cut(run, to: horizon)
        var repairs: [(id: NodeID, mutation: [UInt8])] = []
        do throws(StorageError) {
            let wanted = try ReplicaRead.read(common, of: memtable, table)
            for (answer, own) in zip(answers, own) {
                let had = try ReplicaRead.read(common, of: own, table)
                guard had.digest != wanted.digest else { continue }
                let lacking = try difference(wanted.mutation, had.mutation)
                if !lacking.isEmpty { repairs.append((answer.id, lacking)) }
            }
        } catch {
            invariantFailure("entries that were merged in memory can't be read: \(error)")
        }
        return MergedAnswers(entries: .merged(memtable), horizon: horizon, repairs: repairs)
    }

    /// The run up to a horizon.
    static func cut(_ run: ReplicaRead.Run, to horizon: [UInt8]?) -> ReplicaRead.Run {
        guard let horizon else { return run }
        var cut = run
        cut.bounds = run.isReversed
            ? KeyBounds(lower: horizon, upper: run.bounds.upper)
            : KeyBounds(lower: run.bounds.lower, upper: horizon + [0])
        return cut
    }

    private static func nearest(_ horizons: [[UInt8]], isReversed: Bool) -> [UInt8]? {
        horizons.min { a, b in
            let order = a.withView { a in b.withView { a.compare($0) } }
            return isReversed ? order > 0 : order < 0
        }
    }

    private static func apply(_ mutation: [UInt8], to memtable: Memtable) throws(MalformedBytes) {
        try mutation.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    guard try memtable.apply(key: key, value: value) else {
                        throw MalformedBytes(offset: 0, expected: "an answer that fits into memory")
                    }
                }
            }
        }
    }

    /// The entries of `wanted` that aren't the same in `had`.
    private static func difference(
        _ wanted: [UInt8],
        _ had: [UInt8]
    ) throws(StorageError) -> [UInt8] {
        do throws(MalformedBytes) {
            var known: [[UInt8]: [[UInt8]]] = [:]
            try each(had) { _, key, value in known[key.array, default: []].append(value.array) }
            var writer = MutationWriter(capacity: 256)
            var isEmpty = true
            try each(wanted) { table, key, value in
                if known[key.array]?.contains(value.array) == true { return }
                if isEmpty { writer.begin(table: table) }
                isEmpty = false
                writer.add(key: key, value: value)
            }
            return isEmpty ? [] : writer.bytes.array
        } catch {
            invariantFailure("a mutation that was made here is malformed: \(error)")
        }
    }

    private static func each(
        _ mutation: [UInt8],
        _ body: (UUID, ByteView, ByteView) -> Void
    ) throws(MalformedBytes) {
        try mutation.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    body(group.storageID, key, value)
                }
            }
        }
    }
}
