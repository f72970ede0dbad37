// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a fuzzer calls: the reader must not trap whatever a segment holds, and must never make up,
/// reorder or change a record.
package enum CommitLogFuzz {
    /// Reads `view` as a segment, and then a valid log that `view` describes and damages.
    package static func run(_ view: ByteView) {
        guard let mode = view.isEmpty ? nil : view[0] else { return }
        let rest = view.dropFirst(1)
        _ = try? reader(mayBeTorn: mode & 1 == 0).read(rest) { (_, _) in }
        runDamaged(rest, mayBeTorn: mode & 1 == 0)
    }

    /// Inputs to begin from: whole segments, and scripts of records with some damage.
    package static func seeds() -> [[UInt8]] {
        var writer = ByteWriter()
        let header = RecordLogFormat.Header(kind: .commitLog, segment: 7, salt: 1, startsRun: true)
        RecordLogFormat.append(header, to: &writer)
        var inputs: [[UInt8]] = [[0] + writer.array]
        for size in [1, 20, 500] {
            let offset = writer.count
            [UInt8](repeating: 9, count: size).withView {
                RecordLogFormat.appendRecord(
                    $0,
                    salt: 1,
                    offset: offset,
                    durable: offset,
                    to: &writer
                )
            }
            inputs.append([UInt8(inputs.count & 1)] + writer.array)
        }
        let script: [[UInt8]] = [[0, 9, 0, 0], [2, 99, 1, 0], [0, 5, 0, 0], [0x11, 100, 0, 0]]
        for count in 1...script.count { inputs.append([0] + script.prefix(count).joined()) }
        return inputs
    }

    private static func reader(mayBeTorn: Bool) -> RecordLogReader {
        RecordLogReader(path: "fuzz", kind: .commitLog, segment: 7, mayBeTorn: mayBeTorn)
    }

    /// Each 4 bytes of `script` are a record (length and durability) or a damage (place and bits).
    private static func runDamaged(_ script: ByteView, mayBeTorn: Bool) {
        var writer = ByteWriter()
        let header = RecordLogFormat.Header(kind: .commitLog, segment: 7, salt: 99, startsRun: true)
        RecordLogFormat.append(header, to: &writer)
        var damages: [(place: Int, bits: UInt8)] = []
        var payloads: [[UInt8]] = []
        var offset = 0
        while offset + 4 <= script.count, writer.count < 1 << 20 {
            let word = script.loadLittleEndian(offset, as: UInt32.self)
            offset += 4
            if word & 1 == 1 {
                damages.append((Int(word >> 9), UInt8(truncatingIfNeeded: word >> 1)))
                continue
            }
            let byte = UInt8(truncatingIfNeeded: payloads.count)
            let payload = [UInt8](repeating: byte, count: Int(word >> 8 & 0x3FF) + 1)
            payloads.append(payload)
            let end = writer.count
            payload.withView {
                RecordLogFormat.appendRecord(
                    $0,
                    salt: 99,
                    offset: end,
                    durable: word & 2 == 0 ? end : RecordLogFormat.headerSize,
                    to: &writer
                )
            }
        }
        for damage in damages {
            let place = damage.place % writer.count
            writer.put(writer.view[place] ^ damage.bits, at: place)
        }
        var found = 0
        _ = try? reader(mayBeTorn: mayBeTorn).read(writer.view) { (_, payload) in
            invariant(found < payloads.count, "the reader made up a record")
            let isSame = payloads[found].withView { $0.equals(payload) }
            invariant(isSame, "the reader changed record \(found)")
            found += 1
        }
    }
}
