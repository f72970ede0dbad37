// SPDX-License-Identifier: Apache-2.0

import Environment
import Model

/// Makes the operations of a run, one after the other, by a seed.
struct ModelGenerator {
    private let options: ModelOptions
    private var numbers: SplitMix64
    private var recent: [ModelWrite] = []

    init(seed: UInt64, options: ModelOptions) {
        self.options = options
        numbers = SplitMix64(seed: seed)
    }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &numbers) }

    /// The next operation; `models` say how old write timestamps may be, `now` is in seconds since 1970.
    mutating func next(_ models: [ModelTable], now: Int64) -> ModelOperation {
        switch pick(1_000) {
        case 0..<500: .write(writes(models, now))
        case 500..<640: .step(count: 1 + pick(8), salt: numbers.next())
        case 640..<780: .get(table: pick(ModelTables.count), row: row())
        case 780..<880: slice()
        case 880..<885: .scan(table: pick(ModelTables.count), limit: [1, 7, 1_000][pick(3)])
        case 885..<915: .startFlush
        case 915..<920: .flush
        case 920..<935: .startCompaction
        case 935..<943: .compact(table: pick(ModelTables.count))
        case 943..<973: .advance(seconds: seconds())
        case 973: .truncate(table: pick(ModelTables.count))
        case 974: .recreate(table: pick(ModelTables.count))
        case 975..<977: .renewColumn(table: pick(ModelTables.count), column(isStatic: pick(5) == 0))
        case 977..<979: .changeGrace(table: pick(ModelTables.count), seconds: [0, 60, 864_000][pick(3)])
        case 979..<983: .restart(shardCount: 1 + pick(4))
        case 983..<990: crash()
        default: .drain(salt: numbers.next())
        }
    }

    /// So many writes, each with time to become durable.
    mutating func writes(count: Int, _ run: ModelRun) -> [ModelOperation] {
        (0..<count).flatMap { _ -> [ModelOperation] in
            [.write(writes(run.models, run.now)), .drain(salt: numbers.next())]
        }
    }

    private mutating func seconds() -> UInt64 {
        switch pick(12) {
        case 0: 3_000
        case 1: 1_000_000
        default: UInt64(1 + pick(80))
        }
    }

    private mutating func crash() -> ModelOperation {
        let modes: [MemoryFileSystem.Unsynced] = [.none, .all, .seeded(numbers.next())]
        return .crash(shardCount: 1 + pick(4), unsynced: modes[pick(3)], atSync: pick(30))
    }

    // MARK: Places

    private mutating func clustering(_ partition: Int) -> ModelClustering {
        let isWide = partition == ModelTables.wide
        return ModelClustering(
            first: pick(isWide ? max(options.wideCount / 4, 1) : 4),
            second: pick(isWide ? 4 : 3)
        )
    }

    private mutating func row() -> ModelRow {
        let partition = pick(ModelTables.partitions.count)
        let isStatic = pick(8) == 0
        return ModelRow(partition: partition, clustering: isStatic ? nil : clustering(partition))
    }

    private mutating func bound(_ partition: Int) -> ModelBound {
        let clustering = clustering(partition)
        let end = [Key.endBefore, Key.endAfter][pick(2)]
        switch pick(8) {
        case 0: return ModelBound(end: end)
        case 1, 2, 3: return ModelBound(first: clustering.first, end: end)
        default: return ModelBound(first: clustering.first, second: clustering.second, end: end)
        }
    }

    private mutating func slice() -> ModelOperation {
        let partition = pick(ModelTables.partitions.count)
        return .slice(
            table: pick(ModelTables.count),
            partition: partition,
            bound(partition),
            bound(partition),
            isReversed: pick(2) == 0,
            limit: [1, 3, 1_000][pick(3)]
        )
    }

    private mutating func column(isStatic: Bool) -> ModelColumn {
        isStatic ? .s : [.a, .b, .map, .list, .set][pick(5)]
    }

    // MARK: Writes

    private mutating func writes(_ models: [ModelTable], _ now: Int64) -> [ModelWrite] {
        // A client that tries again sends the same once more.
        if pick(40) == 0, !recent.isEmpty { return recent }
        var writes: [ModelWrite] = []
        let isBatch = pick(6) == 0
        var partition = pick(ModelTables.partitions.count)
        for _ in 0..<(isBatch ? 1 + pick(6) : 1) {
            if isBatch, pick(3) == 0 { partition = pick(ModelTables.partitions.count) }
            let table = pick(ModelTables.count)
            let floor = models[table].floor(of: ModelTables.partitions[partition])
            writes.append(
                ModelWrite(table: table, partition: partition, change: change(partition, floor, now))
            )
        }
        recent = writes
        return writes
    }

    private mutating func change(_ partition: Int, _ floor: Int64, _ now: Int64) -> ModelWrite.Change {
        switch pick(40) {
        case 0: return .deletePartition(at: timestamp(floor, now))
        case 1, 2, 3:
            let bounds = [bound(partition), bound(partition)].sorted {
                $0.key([]).lexicographicallyPrecedes($1.key([]))
            }
            return .deleteRange(bounds[0], bounds[1], at: timestamp(floor, now))
        case 4, 5: return .row(nil, fragment(isStatic: true, floor, now))
        default: return .row(clustering(partition), fragment(isStatic: false, floor, now))
        }
    }

    private mutating func timestamp(_ floor: Int64, _ now: Int64) -> Int64 {
        let isWild = options.hasWildTimes && (!options.hasTameTimes || pick(3) > 0)
        let wanted = isWild ? Int64(pick(60)) - 20 : (now + Int64(pick(41)) - 20) * 1_000_000
        if pick(200) == 0, floor < now * 1_000_000 { return now * 1_000_000 + 50_000_000 }
        return wanted > floor ? wanted : floor + 1 + Int64(pick(40))
    }

    private mutating func ttl() -> UInt32 { pick(5) == 0 ? [1, 30, 100, 5_000][pick(4)] : 0 }

    private mutating func bytes() -> [UInt8] {
        (0..<pick(pick(12) == 0 ? 400 : 4)).map { _ in UInt8(97 + pick(4)) }
    }

    private mutating func fragment(
        isStatic: Bool,
        _ floor: Int64,
        _ now: Int64
    ) -> ModelFragment {
        var fragment = ModelFragment()
        fragment.usesBase = pick(2) == 0
        if pick(8) == 0, !isStatic {
            fragment.deletedAt = timestamp(floor, now)
            if pick(3) > 0 { return fragment }
        }
        // What a fragment deletes itself it doesn't hold.
        let least = max(floor, fragment.deletedAt ?? .min)
        if pick(2) == 0, !isStatic { fragment.liveness = (timestamp(least, now), ttl()) }
        let columns: [ModelColumn] = isStatic ? [.s] : [.a, .b, .map, .list, .set]
        let wanted = pick(3) == 0 ? columns.count : 1
        for column in columns where isStatic || pick(columns.count) < wanted {
            if column.isCollection {
                addCollection(column, to: &fragment, least, now)
            } else {
                fragment.cells.append(cell(column, [], least, now))
            }
        }
        if fragment.liveness == nil, fragment.deletedAt == nil, fragment.cells.isEmpty {
            fragment.cells.append(cell(.a, [], least, now))
        }
        return fragment
    }

    private mutating func cell(
        _ column: ModelColumn,
        _ path: [UInt8],
        _ floor: Int64,
        _ now: Int64
    ) -> ModelFragment.Cell {
        var cell = ModelFragment.Cell(column: column, path: path, timestamp: timestamp(floor, now))
        if pick(5) == 0 {
            cell.kind = .tombstone
        } else {
            cell.ttl = ttl()
            if column != .set { cell.value = bytes() }
        }
        return cell
    }

    private mutating func addCollection(
        _ column: ModelColumn,
        to fragment: inout ModelFragment,
        _ floor: Int64,
        _ now: Int64
    ) {
        var least = floor
        if pick(3) == 0 {
            let until = timestamp(floor, now)
            fragment.cells.append(
                ModelFragment.Cell(column: column, kind: .collectionDeletion, timestamp: until)
            )
            least = until
        }
        for element in 0..<3 where pick(2) == 0 {
            let path = column == .list ? Array(repeating: 7, count: 15) + [UInt8(element)] : [UInt8(element)]
            fragment.cells.append(cell(column, path, least, now))
        }
    }
}
