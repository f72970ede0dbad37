// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Storage

/// A value that tests share with the jobs that they start.
final class Shared<Value: Sendable>: @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var content: Value

    init(_ value: Value) { content = value }

    var value: Value { lock.withLock { content } }

    func update(_ body: (inout Value) -> Void) { lock.withLock { body(&content) } }
}

/// A commit log on manual executors, over a file system of the caller's.
final class LogBench {
    static let directory = "/data/commitlog/0"

    let clock = ManualClock()
    let shard: ManualExecutor
    let background: ManualExecutor
    let environment: Environment
    let log: CommitLog
    /// What was acknowledged without and with an error, in order.
    let acknowledged = Shared<[Int]>([])
    let failed = Shared<[Int]>([])
    private(set) var appended = 0

    init(
        _ fileSystem: any FileSystem,
        options: CommitLogOptions = CommitLogOptions(),
        directory: String = LogBench.directory,
        seed: UInt64 = 1
    ) throws {
        shard = ManualExecutor(clock: clock)
        background = ManualExecutor(clock: clock, shuffledBy: seed)
        environment = Environment(
            fileSystem: fileSystem,
            clock: clock,
            random: SeededRandom(seed: seed),
            background: background
        )
        log = try CommitLog(
            directory: directory,
            environment: environment,
            executor: shard,
            options: options
        )
    }

    /// The payload of the n-th record: n, then bytes that follow from it.
    static func payload(_ number: Int, size: Int) -> [UInt8] {
        var generator = SplitMix64(seed: UInt64(number))
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        for _ in 0..<size { bytes.append(UInt8(truncatingIfNeeded: generator.next())) }
        return bytes
    }

    /// The n of a payload that is whole; nil for any other bytes.
    static func number(_ payload: ByteView) -> Int? {
        guard payload.count >= 8 else { return nil }
        let number = payload.loadLittleEndian(0, as: Int.self)
        return Self.payload(number, size: payload.count - 8) == payload.array ? number : nil
    }

    /// Appends the next record and returns its number.
    @discardableResult
    func append(size: Int = 20) throws(CommitLogError) -> CommitLogPosition {
        let number = appended
        let position = try LogBench.payload(number, size: size).withView {
            (view) throws(CommitLogError) in
            try log.append(view) { [acknowledged, failed] error in
                (error == nil ? acknowledged : failed).update { $0.append(number) }
            }
        }
        appended += 1
        return position
    }

    /// Runs everything but timers.
    func run() { Environment.runUntilIdle([shard, background]) }

    /// Closes and reports with what error.
    func close(keepingRecords: Bool = true) -> CommitLogError?? {
        let result = Shared<CommitLogError??>(nil)
        log.close(keepingRecords: keepingRecords) { error in result.update { $0 = .some(error) } }
        run()
        return result.value
    }

    /// What a replay finds: the numbers of the records, nil for any that is not whole.
    static func replay(
        _ files: any FileSystem,
        directory: String = LogBench.directory
    ) throws(StorageError) -> ([Int?], CommitLogReplay) {
        var numbers: [Int?] = []
        let report = try CommitLog.replay(
            directory: directory,
            fileSystem: files
        ) { (_, payload) throws(StorageError) in
            numbers.append(number(payload))
        }
        return (numbers, report)
    }

    static func path(_ segment: UInt64) -> String {
        CommitLog.path(directory: directory, segment: segment)
    }
}
