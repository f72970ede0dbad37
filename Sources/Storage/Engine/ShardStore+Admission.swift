// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// Writes that are held up, in their order.
struct WriteQueue {
    struct Write {
        let mutation: [UInt8]
        /// When it may go on, in nanoseconds of the monotonic clock.
        let release: UInt64
        let completion: @Sendable (WriteError?) -> Void
    }

    private var writes: [Write?] = []
    private var head = 0

    var isEmpty: Bool { head == writes.count }
    var first: Write? { isEmpty ? nil : writes[head] }
    var last: Write? { isEmpty ? nil : writes[writes.count - 1] }

    mutating func append(_ write: Write) { writes.append(write) }

    mutating func popFirst() -> Write? {
        guard let write = first else { return nil }
        writes[head] = nil
        head += 1
        if head == writes.count {
            writes.removeAll(keepingCapacity: writes.count <= 1024)
            head = 0
        } else if head >= 1024, head * 2 > writes.count {
            writes.removeFirst(head)
            head = 0
        }
        return write
    }
}

extension ShardStore {
    // MARK: Holding up

    /// Holds a write up if the backlog asks for it; false when it may go on at once.
    func holdUp(
        _ mutation: ByteView,
        _ completion: @escaping @Sendable (WriteError?) -> Void
    ) -> Bool {
        let delay = backlog.delay
        guard delay > 0 || !heldWrites.isEmpty || !hasRoom else { return false }
        let now = environment.clock.monotonicNanoseconds()
        let release = max(now + delay, heldWrites.last?.release ?? 0)
        admission.delayedWrites += 1
        heldWrites.append(
            WriteQueue.Write(mutation: mutation.array, release: release, completion: completion)
        )
        noteAdmission()
        releaseLater()
        return true
    }

    /// Lets the writes go on whose time has come, as long as there is memory for them.
    func releaseWrites() {
        guard !isReleasing else { return }
        isReleasing = true
        defer { isReleasing = false }
        while let write = heldWrites.first {
            let isDue =
                backlog.delay == 0
                || write.release <= environment.clock.monotonicNanoseconds()
            guard refusesWrites || (hasRoom && isDue) else { break }
            _ = heldWrites.popFirst()
            write.mutation.withView { admit($0, completion: write.completion) }
        }
        noteAdmission()
        releaseLater()
    }

    /// Sets the timer for the first write that is held up.
    private func releaseLater() {
        guard let write = heldWrites.first, hasRoom, !isReleaseTimed else { return }
        let now = environment.clock.monotonicNanoseconds()
        isReleaseTimed = true
        executor.schedule(after: write.release > now ? write.release - now : 0) { [self] in
            isReleaseTimed = false
            releaseWrites()
        }
    }

    // MARK: The backlog

    /// Measures what memtables are behind.
    func measureMemory() {
        backlog.memory = Backlog.memory(
            unflushed: unflushedBytes,
            space: options.memtableSpace,
            limit: options.unflushedSpaceMax
        )
        sharedBacklog.set(backlog.share)
    }

    /// Measures what compactions are behind, over all tables.
    func measureFiles() {
        var worst = Backlog()
        for table in tables.values {
            worst.files = max(worst.files, table.backlog.files)
            worst.replaced = max(worst.replaced, table.backlog.replaced)
        }
        backlog.files = worst.files
        backlog.replaced = worst.replaced
        sharedBacklog.set(backlog.share)
        noteAdmission()
    }

    /// Tells the tools when something has changed, and whoever listens when writes begin or end to be held
    /// up or refused.
    func noteAdmission() {
        let delay = heldWrites.isEmpty && hasRoom ? backlog.delay : max(backlog.delay, 1)
        var next = admission
        next.delay = delay
        next.pressure = backlog.pressure
        next.isDiskFull = disk.isFull
        next.reason =
            disk.isFull
            ? "the disk is full"
            : delay == 0 ? "" : backlog.delay > 0 ? backlog.reason : "memtables wait to be flushed"
        guard next != published else { return }
        var notice: String?
        if next.reason != published.reason {
            notice =
                next.reason.isEmpty
                ? "Shard \(index): writes are taken at once again"
                : "Shard \(index): writes are \(disk.isFull ? "refused" : "held up"), since "
                    + next.reason
        }
        admission = next
        published = next
        files.tasks.note(next, notice: notice)
    }

    // MARK: The disk

    /// Whether a mutation is nothing but deletions: they are taken when the disk is nearly full, since they
    /// make room.
    static func isDeletion(_ mutation: ByteView) -> Bool {
        var reader = MutationReader(mutation)
        do throws(MalformedBytes) {
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (_, value) = try reader.nextEntry()
                    if value[0] & (EntryHeader.marker | EntryHeader.partitionDeletion) != 0 { continue }
                    var row = try RowFragment(value)
                    if row.liveness != nil { return false }
                    while let cell = try row.nextCell() {
                        let isDeleted =
                            cell.flags.contains(.tombstone)
                            || cell.flags.contains(.collectionDeletion)
                        guard isDeleted else { return false }
                    }
                }
            }
            return true
        } catch {
            invariantFailure("a mutation of our own is malformed: \(error)")
        }
    }

    /// Looks in the background how much room the disk has.
    func checkDisk() {
        guard !disk.isChecking, !isClosed else { return }
        disk.isChecking = true
        disk.bytesUnchecked = 0
        environment.background.execute { [self] in
            // A disk that doesn't say how full it is isn't taken for full.
            let free = (try? environment.fileSystem.freeSpace(files.root)) ?? .max
            executor.execute { [self] in noteFreeSpace(free) }
        }
    }

    /// Looks how much room the disk has before enough was written to look by itself.
    package func lookAtDisk() {
        executor.execute { [self] in checkDisk() }
    }

    private func noteFreeSpace(_ free: Int) {
        disk.isChecking = false
        disk.free = free
        let reserve = options.diskReserve
        if disk.isFull {
            guard free > reserve + reserve / 8 else { return checkDiskLater() }
            disk.isFull = false
            noteAdmission()
            for table in allTables {
                if table.flushFailures > 0 { startFlush(table) }
                startCompaction(table)
            }
            releaseWrites()
        } else if free < reserve {
            noteDiskFull()
        }
    }

    /// Refuses writes until there is room again.
    func noteDiskFull() {
        guard !disk.isFull else { return }
        disk.isFull = true
        noteAdmission()
        checkDiskLater()
    }

    /// Takes note of an error that may say that the disk is full.
    func noteDiskError(_ error: StorageError) {
        switch error {
        case .file(let cause), .manifestFailed(let cause), .commitLog(.failed(let cause)),
            .commitLog(.noRoom(let cause)):
            if cause.reason == .diskFull { noteDiskFull() }
        default: break
        }
    }

    private func checkDiskLater() {
        executor.schedule(after: 1_000_000_000) { [self] in
            if disk.isFull { checkDisk() }
        }
    }
}

/// What a shard knows of the room on its disk.
struct DiskState {
    /// Whether only deletions are taken.
    var isFull = false
    /// Bytes, when last looked.
    var free = Int.max
    var isChecking = false
    /// Bytes that were written since.
    var bytesUnchecked = 0

    /// After so many bytes it is looked again.
    static let checkInterval = 8 << 20
}
