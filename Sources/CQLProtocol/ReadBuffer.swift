// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Bytes that arrive at one end and are consumed at the other; memory is kept and reused.
struct ReadBuffer: ~Copyable {
    private var bytes = ByteWriter(capacity: 256)
    private var start = 0
    /// Above this many bytes, memory is given back once everything was consumed.
    private static let keptCapacity = 1 << 20

    /// What was not consumed; valid until the next change.
    var view: ByteView { bytes.view.dropFirst(start) }

    /// How many bytes were not consumed.
    var count: Int { bytes.count - start }

    /// Adds bytes at the end.
    mutating func append(_ view: ByteView) {
        compact()
        bytes.append(view)
    }

    /// Adds exactly `count` bytes that `fill` writes; returns false and adds none if `fill` fails.
    mutating func append(_ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        compact()
        let before = bytes.count
        bytes.append(upTo: count) { fill($0) ? count : 0 }
        return bytes.count == before + count
    }

    /// Drops `count` bytes from the front.
    mutating func consume(_ count: Int) {
        start += count
        if start == bytes.count {
            if start > Self.keptCapacity {
                bytes = ByteWriter(capacity: 256)
            } else {
                bytes.removeAll()
            }
            start = 0
        }
    }

    private mutating func compact() {
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
    }
}
