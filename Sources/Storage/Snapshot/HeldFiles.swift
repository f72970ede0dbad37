// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Synchronization

/// SSTables that aren't live any more and stay for a moment, since somebody is giving them other names.
struct HeldFiles {
    enum Leftover {
        case file(String)
        /// Removed only if it is empty.
        case folder(String)
    }

    fileprivate var holderCount = 0
    fileprivate var leftovers: [Leftover] = []
}

extension TableFiles {
    /// Calls `body` while no file that is live at its start, or becomes so, is removed. What isn't live
    /// any more is removed afterwards; after a crash, at the next start.
    func holding<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        held.withLock { $0.holderCount += 1 }
        defer { letGo() }
        return try body()
    }

    /// Removes what isn't live any more, when nobody holds it. A failure leaves it to the next start.
    func remove(_ leftover: HeldFiles.Leftover) {
        let isHeld = held.withLock { held in
            if held.holderCount > 0 { held.leftovers.append(leftover) }
            return held.holderCount > 0
        }
        if !isHeld { removeNow(leftover) }
    }

    private func letGo() {
        let leftovers = held.withLock { held in
            held.holderCount -= 1
            guard held.holderCount == 0 else { return [HeldFiles.Leftover]() }
            defer { held.leftovers = [] }
            return held.leftovers
        }
        for leftover in leftovers { removeNow(leftover) }
    }

    private func removeNow(_ leftover: HeldFiles.Leftover) {
        switch leftover {
        case .file(let path): try? environment.fileSystem.remove(path)
        case .folder(let path): try? environment.fileSystem.removeDirectory(path)
        }
    }
}
