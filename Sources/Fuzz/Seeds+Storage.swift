// SPDX-License-Identifier: Apache-2.0

import Bytes
import Storage

extension Seeds {
    /// Segments after a byte that says how they are read, and scripts of damages.
    static func commitLogs() -> [[UInt8]] {
        var writer = ByteWriter()
        let header = RecordLogFormat.Header(kind: .commitLog, segment: 7, salt: 3, startsRun: true)
        RecordLogFormat.append(header, to: &writer)
        for count in [1, 100, 0, 3000] {
            let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count)
            let offset = writer.count
            payload.withView {
                RecordLogFormat.appendRecord($0, salt: 3, offset: offset, durable: 40, to: &writer)
            }
        }
        let segment = writer.array
        let script: [UInt8] = [0, 9, 0, 0, 2, 200, 0, 0, 0, 1, 1, 0, 0x03, 0x90, 0, 0, 0, 5, 0, 0]
        return [0, 1].flatMap { mode -> [[UInt8]] in
            [
                [mode] + segment, [mode] + segment.dropLast(17), [mode] + script,
                [mode] + segment + [UInt8](repeating: 0, count: 512),
            ]
        }
    }
}
