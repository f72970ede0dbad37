// SPDX-License-Identifier: Apache-2.0

/// The progress line: rows, rates, share done and time left.
struct Progress {
    private let output: ImportOutput
    private let start: UInt64
    private let interval: UInt64
    private var last: UInt64
    private let startBytes: Int
    private let startRows: Int
    private let totalBytes: Int?
    private var lineWidth = 0

    private static let second: UInt64 = 1_000_000_000

    /// `totalBytes` is what all files take on the disk, nil when unknown.
    init(
        _ output: ImportOutput,
        now: UInt64,
        totalBytes: Int?,
        startBytes: Int = 0,
        startRows: Int = 0
    ) {
        self.output = output
        start = now
        last = now
        // A person wants to see it move; a log does not want to fill.
        interval = output.isTerminal ? Progress.second / 5 : 5 * Progress.second
        self.totalBytes = totalBytes
        self.startBytes = startBytes
        self.startRows = startRows
    }

    /// Seconds since the start.
    func seconds(_ now: UInt64) -> Double { Double(now - start) / Double(Progress.second) }

    /// Shows the line when it is time to.
    ///
    /// `bytes` is of the disk, `rows` counts from the beginning.
    mutating func update(now: UInt64, rows: Int, rejected: Int, bytes: Int) {
        guard now - last >= interval else { return }
        last = now
        let text = line(now: now, rows: rows, rejected: rejected, bytes: bytes)
        if output.isTerminal {
            let blank = String(repeating: " ", count: max(0, lineWidth - text.count))
            lineWidth = text.count
            output.progress("\r\(text)\(blank)")
        } else {
            output.progress(text + "\n")
        }
    }

    /// Wipes the line from a terminal.
    mutating func clear() {
        guard output.isTerminal, lineWidth > 0 else { return }
        output.progress("\r" + String(repeating: " ", count: lineWidth) + "\r")
        lineWidth = 0
    }

    /// The line.
    func line(now: UInt64, rows: Int, rejected: Int, bytes: Int) -> String {
        let seconds = max(seconds(now), 0.001)
        let rate = Int(Double(rows - startRows) / seconds)
        let speed = Double(bytes - startBytes) / seconds
        var text = "\(rows.grouped) rows · \(rate.grouped) rows/s · \(megabytes(speed)) MB/s"
        if let totalBytes, totalBytes > 0 {
            text += " · \(min(100, bytes * 100 / totalBytes)) %"
            if speed > 0, seconds > 1 {
                let left = Int(Double(max(0, totalBytes - bytes)) / speed)
                text += " · \(Progress.duration(left)) left"
            }
        }
        if rejected > 0 { text += " · \(rejected.grouped) rejected" }
        return text
    }

    private func megabytes(_ speed: Double) -> String {
        let tenths = Int(speed / 100_000)
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Seconds as a person says them: `7 s`, `3 min 20 s`, `2 h 5 min`.
    static func duration(_ seconds: Int) -> String {
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    }
}
