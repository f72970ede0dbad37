// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment

/// A machine's disk: files in memory that know what a power loss leaves of them, with faults that are
/// switched on and off.
package final class SimulatedDisk: FileSystem, @unchecked Sendable {  // Owner: the world's thread.
    /// What a crash leaves of what was not synced.
    package enum Kept: String, Sendable, CaseIterable {
        /// All of it: the process died, the machine didn't.
        case all
        /// Some of it, and of that some garbage (`MemoryFileSystem.Unsynced.seeded`).
        case torn
        /// Nothing of it.
        case none
    }

    /// The part of the reads that fail.
    package var readErrorShare = 0.0
    /// The part of the appends, syncs and changes of names that fail.
    package var writeErrorShare = 0.0
    /// The part of the reads of SSTables in which one bit comes out wrong; what is on the disk is right.
    package var bitFlipShare = 0.0
    /// How many operations failed, or gave wrong bytes.
    package private(set) var faultCount = 0
    /// How many operations there were.
    package private(set) var operationCount = 0
    /// Whether the power has failed in the middle of an operation: nothing works until `restart`.
    package private(set) var isOff = false

    private unowned let world: World
    private let machine: Int
    private var random: SplitMix64
    private(set) var files: MemoryFileSystem
    private var operationsLeft: Int?
    private var remains: MemoryFileSystem?

    init(_ world: World, machine: Int) {
        self.world = world
        self.machine = machine
        random = world.makeRandom()
        files = MemoryFileSystem()
        files.cached = .seeded(random.next())
    }

    /// The most bytes that it holds.
    package var capacity: Int {
        get { files.capacity }
        set { files.capacity = newValue }
    }

    /// The bytes that it holds.
    package var usedBytes: Int { files.usedBytes }

    /// Lets the power fail within the operation that comes after so many others.
    package func powerOff(afterOperations count: Int) { operationsLeft = count }

    /// Takes `powerOff` back if it has not come to it.
    package func keepPower() { operationsLeft = nil }

    /// The state in which the next process finds it.
    func restart(_ kept: Kept) {
        operationsLeft = nil
        if isOff, let remains {
            files = remains
        } else {
            switch kept {
            case .all: files = files.crashClone(keepUnsynced: .all)
            case .torn: files = files.crashClone(using: &random)
            case .none: files = files.crashClone(keepUnsynced: .none)
            }
        }
        files.cached = .seeded(random.next())
        remains = nil
        isOff = false
    }

    // MARK: Faults

    /// Counts an operation; throws when it fails.
    fileprivate func check(
        _ operation: FileError.Operation,
        _ path: String,
        beforeOff: () -> Void = {}
    ) throws(FileError) {
        if isOff { throw SimulatedDisk.off(operation, path) }
        operationCount += 1
        if let left = operationsLeft {
            operationsLeft = left - 1
            if left <= 0 {
                beforeOff()
                remains = files.crashClone(using: &random)
                isOff = true
                note(operation, path, "the power fails")
                throw SimulatedDisk.off(operation, path)
            }
        }
        let share: Double =
            switch operation {
            case .read, .open, .list, .examine: readErrorShare
            case .lock, .close: 0
            default: writeErrorShare
            }
        guard share > 0, random.chance(share) else { return }
        faultCount += 1
        note(operation, path, "fails")
        throw FileError(operation: operation, path: path, reason: .injected)
    }

    /// Whether this read is to give a wrong bit. SSTables only: their checksums tell it. In the last
    /// record of a log it can't be told from a write that was under way at a crash.
    fileprivate func flipsBit(_ path: String) -> Bool {
        guard bitFlipShare > 0, path.hasSuffix(".sst"), random.chance(bitFlipShare) else { return false }
        faultCount += 1
        note(.read, path, "gives a wrong bit")
        return true
    }

    fileprivate func place(below count: Int) -> Int { random.pick(0...max(0, count - 1)) }

    private func note(_ operation: FileError.Operation, _ path: String, _ what: String) {
        world.log.note(
            .diskFault,
            at: world.now,
            machine: machine,
            detail: "\(operation.rawValue) \(path) \(what)"
        )
    }

    private static func off(_ operation: FileError.Operation, _ path: String) -> FileError {
        FileError(operation: operation, path: path, reason: .system(code: 5, text: "no power"))
    }

    // MARK: Files

    package func link(_ from: String, to: String) throws(FileError) {
        try check(.link, to)
        try files.link(from, to: to)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        try files.createDirectory(path)
    }

    package func create(_ path: String) throws(FileError) -> any AppendableFile {
        try check(.create, path)
        return SimulatedAppendableFile(try files.create(path), self)
    }

    package func open(_ path: String) throws(FileError) -> any ReadableFile {
        try check(.open, path)
        return SimulatedReadableFile(try files.open(path), self)
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        try check(.rename, from)
        try files.rename(from, to: to)
    }

    package func remove(_ path: String) throws(FileError) {
        try check(.remove, path)
        try files.remove(path)
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        try check(.removeDirectory, path)
        try files.removeDirectory(path)
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        try check(.list, path)
        return try files.list(path)
    }

    package func kind(_ path: String) throws(FileError) -> FileKind? {
        try check(.examine, path)
        return try files.kind(path)
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try check(.syncDirectory, path)
        try files.syncDirectory(path)
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock {
        try check(.lock, path)
        return try files.lock(path)
    }

    package func freeSpace(_ path: String) throws(FileError) -> Int {
        try check(.examine, path)
        return try files.freeSpace(path)
    }
}

/// A file whose reads may fail or give a wrong bit.
private final class SimulatedReadableFile: ReadableFile {
    private let wrapped: any ReadableFile
    private let disk: SimulatedDisk

    init(_ wrapped: any ReadableFile, _ disk: SimulatedDisk) {
        self.wrapped = wrapped
        self.disk = disk
    }

    var path: String { wrapped.path }
    var size: Int { wrapped.size }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        try disk.check(.read, path)
        let count = try wrapped.read(at: offset, into: buffer)
        flip(buffer, count)
        return count
    }

    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int? {
        try disk.check(.read, path)
        guard let count = try wrapped.readIfCached(at: offset, into: buffer) else { return nil }
        flip(buffer, count)
        return count
    }

    private func flip(_ buffer: UnsafeMutableRawBufferPointer, _ count: Int) {
        guard count > 0, disk.flipsBit(path) else { return }
        buffer[disk.place(below: count)] ^= 1 << UInt8(disk.place(below: 8))
    }
}

/// A file whose appends and syncs may fail. An append that fails has written a part.
private final class SimulatedAppendableFile: AppendableFile {
    private let wrapped: any AppendableFile
    private let disk: SimulatedDisk

    init(_ wrapped: any AppendableFile, _ disk: SimulatedDisk) {
        self.wrapped = wrapped
        self.disk = disk
    }

    var path: String { wrapped.path }
    var size: Int { wrapped.size }

    func append(_ bytes: ByteView) throws(FileError) {
        let appendPart = { [wrapped, disk] in
            _ = try? wrapped.append(bytes.prefix(disk.place(below: bytes.count)))
        }
        let wasOff = disk.isOff
        do {
            try disk.check(.append, path, beforeOff: appendPart)
        } catch {
            if !wasOff, !disk.isOff { appendPart() }
            throw error
        }
        try wrapped.append(bytes)
    }

    func sync() throws(FileError) {
        try disk.check(.sync, path)
        try wrapped.sync()
    }

    func reserve(_ size: Int) throws(FileError) {
        try disk.check(.append, path)
        try wrapped.reserve(size)
    }

    func trim() throws(FileError) {
        try disk.check(.append, path)
        try wrapped.trim()
    }

    func close() { wrapped.close() }
}
