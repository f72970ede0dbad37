// SPDX-License-Identifier: Apache-2.0

/// What one line of a benchmark has measured.
struct LineResult: Sendable {
    let name: String
    let operations: Int
    /// From the first operation to the last acknowledgement.
    let seconds: Double
    /// Of all threads, with the flushes and compactions that the line causes.
    let cpuSeconds: Double
    /// How long flushes and compactions went on afterwards.
    var settleSeconds = 0.0
    var bytesWritten = 0
    var latencies = Latencies()
    /// Of point reads, how many found a row; of scans, how many rows came.
    var found = 0

    var operationsPerSecond: Double { Double(operations) / seconds }
    var cpuMicroseconds: Double { cpuSeconds * 1e6 / Double(operations) }

    static let heading =
        "line              operations     ops/s    CPU us/op    p50 us    p99 us   settle s"
        + "   written MB      found"

    var row: String {
        let cells = [
            (String(operations), 12),
            (BenchOutput.text(operationsPerSecond, digits: 0), 10),
            (BenchOutput.text(cpuMicroseconds, digits: 3), 13),
            (BenchOutput.text(latencies.percentile(0.5) / 1000), 10),
            (BenchOutput.text(latencies.percentile(0.99) / 1000), 10),
            (BenchOutput.text(settleSeconds, digits: 1), 11),
            (String(bytesWritten / 1_000_000), 13),
            (String(found), 11),
        ]
        let label = name + String(repeating: " ", count: max(0, 16 - name.utf8.count))
        return label + cells.map { BenchOutput.padded($0.0, $0.1) }.joined()
    }

    var json: String {
        let members = [
            "\"line\":\"\(name)\"",
            "\"operations\":\(operations)",
            "\"ops_per_second\":\(BenchOutput.text(operationsPerSecond, digits: 0))",
            "\"cpu_us_per_op\":\(BenchOutput.text(cpuMicroseconds, digits: 4))",
            "\"p50_us\":\(BenchOutput.text(latencies.percentile(0.5) / 1000))",
            "\"p99_us\":\(BenchOutput.text(latencies.percentile(0.99) / 1000))",
            "\"settle_seconds\":\(BenchOutput.text(settleSeconds))",
            "\"bytes_written\":\(bytesWritten)",
            "\"found\":\(found)",
        ]
        return "{" + members.joined(separator: ",") + "}"
    }
}
