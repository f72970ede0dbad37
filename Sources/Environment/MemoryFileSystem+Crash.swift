// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension MemoryFileSystem {
    /// What a power loss leaves of what was not synced.
    package enum Unsynced: Sendable {
        /// Nothing of it.
        case none
        /// Some of it, as the seed decides: any subset of the entry changes, and of each file's
        /// unsynced bytes a prefix whose last sector may hold garbage and in which whole sectors may
        /// be missing, since a disk writes them in any order.
        case seeded(UInt64)
        /// All of it: the process died but the system did not.
        case all
    }

    /// The size of a disk's atomic write, in bytes.
    private static let sectorSize = 512

    /// A new file system as it would be after a power loss at this moment; everything in it is
    /// durable, and nobody holds its locks. The original stays as it is.
    package func crashClone(keepUnsynced: Unsynced) -> MemoryFileSystem {
        switch keepUnsynced {
        case .seeded(let seed):
            var generator = SplitMix64(seed: seed)
            return crashClone(using: &generator)
        case .none, .all:
            var generator = SplitMix64(seed: 0)
            return clone(keepUnsynced, &generator)
        }
    }

    /// As `crashClone(keepUnsynced: .seeded)`, with the caller's generator.
    package func crashClone(using generator: inout some RandomNumberGenerator) -> MemoryFileSystem {
        clone(.seeded(0), &generator)
    }

    private func clone(
        _ mode: Unsynced,
        _ generator: inout some RandomNumberGenerator
    ) -> MemoryFileSystem {
        lock.lock()
        defer { lock.unlock() }
        let state = crashState
        var survivors: [MemoryPendingChange] = []
        for change in state.pending {
            switch mode {
            case .none: break
            case .all: survivors.append(change)
            case .seeded: if Bool.random(using: &generator) { survivors.append(change) }
            }
        }
        var copier = Copier(mode: mode, survivors: survivors)
        let copy = MemoryFileSystem(root: copier.directory(root, &generator))
        copy.adopt(used: copier.used, limit: state.limit, residency: state.residency)
        return copy
    }

    /// Copies what is durable, node by node.
    private struct Copier {
        let mode: Unsynced
        let survivors: [MemoryPendingChange]
        var used = 0
        /// The copies of files that were met: one with several names stays one file.
        private var copies: [ObjectIdentifier: MemoryFileNode] = [:]

        init(mode: Unsynced, survivors: [MemoryPendingChange]) {
            self.mode = mode
            self.survivors = survivors
        }

        mutating func directory(
            _ original: MemoryDirectoryNode,
            _ generator: inout some RandomNumberGenerator
        ) -> MemoryDirectoryNode {
            var entries = original.durable
            for change in survivors {
                for step in change.steps where step.folder === original {
                    entries[step.name] = step.node
                }
            }
            let copy = MemoryDirectoryNode()
            // Sorted, so that the same seed gives the same clone.
            for (name, node) in entries.sorted(by: { $0.key < $1.key }) {
                switch node {
                case .directory(let node):
                    copy.entries[name] = .directory(directory(node, &generator))
                case .file(let node):
                    copy.entries[name] = .file(file(node, &generator))
                }
            }
            copy.durable = copy.entries
            return copy
        }

        private mutating func file(
            _ original: MemoryFileNode,
            _ generator: inout some RandomNumberGenerator
        ) -> MemoryFileNode {
            if let copy = copies[ObjectIdentifier(original)] {
                copy.linkCount += 1
                return copy
            }
            let bytes = survivingBytes(of: original, &generator)
            used += bytes.count
            let copy = MemoryFileNode(bytes: bytes, synced: bytes.count)
            copies[ObjectIdentifier(original)] = copy
            return copy
        }

        private func survivingBytes(
            of node: MemoryFileNode,
            _ generator: inout some RandomNumberGenerator
        ) -> [UInt8] {
            switch mode {
            case .all: return node.bytes
            case .none: return Array(node.bytes.prefix(node.synced))
            case .seeded: break
            }
            let kept = Int.random(in: node.synced...node.bytes.count, using: &generator)
            var bytes = Array(node.bytes.prefix(kept))
            guard kept > node.synced else { return bytes }
            if Bool.random(using: &generator) { loseSectors(&bytes, from: node.synced, &generator) }
            if Bool.random(using: &generator) { tearLastSector(&bytes, from: node.synced, &generator) }
            return bytes
        }

        /// Leaves zeros where a sector never reached the disk.
        private func loseSectors(
            _ bytes: inout [UInt8],
            from synced: Int,
            _ generator: inout some RandomNumberGenerator
        ) {
            var start = synced
            while start < bytes.count {
                let next = (start / sectorSize + 1) * sectorSize
                let end = min(next, bytes.count)
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    for index in start..<end { bytes[index] = 0 }
                }
                start = end
            }
        }

        /// Leaves garbage in the end of the last sector.
        private func tearLastSector(
            _ bytes: inout [UInt8],
            from synced: Int,
            _ generator: inout some RandomNumberGenerator
        ) {
            let sector = max(synced, (bytes.count - 1) / sectorSize * sectorSize)
            for index in Int.random(in: sector..<bytes.count, using: &generator)..<bytes.count {
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
            }
        }
    }
}
