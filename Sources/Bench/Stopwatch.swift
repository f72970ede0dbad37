// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Glibc

/// Measures what the process uses from `init` on: time, processor time, bytes handed to files.
struct Stopwatch {
    private let clock: any Clock
    private let start: UInt64
    private let startCPU: Double
    private let startBytes: Int

    init(clock: any Clock) {
        self.clock = clock
        start = clock.monotonicNanoseconds()
        startCPU = Stopwatch.processCPU()
        startBytes = Stopwatch.writtenBytes()
    }

    /// Seconds since the start.
    var seconds: Double { Double(clock.monotonicNanoseconds() - start) / 1e9 }

    /// Seconds of processor time that all threads of the process have used since the start.
    var cpuSeconds: Double { Stopwatch.processCPU() - startCPU }

    /// Bytes that the process has handed to the system for files since the start.
    var bytesWritten: Int { Stopwatch.writtenBytes() - startBytes }

    private static func processCPU() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        let microseconds = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
        return Double(seconds) + Double(microseconds) / 1e6
    }

    /// What Linux counts as `wchar`; 0 where it doesn't count.
    private static func writtenBytes() -> Int {
        var bytes = [UInt8](repeating: 0, count: 1024)
        guard let file = try? POSIXFileSystem().open("/proc/self/io"),
            let count = bytes.withUnsafeMutableBytes({ try? file.read(at: 0, into: $0) })
        else { return 0 }
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "wchar:", let value = words.last.flatMap({ Int($0) }) { return value }
        }
        return 0
    }
}

/// Durations in buckets that are an eighth of their size wide.
struct Latencies {
    private var counts = [Int](repeating: 0, count: 64 * 8)
    private(set) var count = 0

    /// Counts a duration in nanoseconds.
    mutating func add(_ nanoseconds: UInt64) {
        let value = max(nanoseconds, 8)
        let exponent = 63 - value.leadingZeroBitCount
        let eighth = Int((value >> UInt64(exponent - 3)) & 7)
        counts[exponent * 8 + eighth] += 1
        count += 1
    }

    /// The duration, in nanoseconds, that the `share` (0 to 1) of all don't exceed.
    func percentile(_ share: Double) -> Double {
        let wanted = Int((Double(count) * share).rounded(.up))
        var seen = 0
        for (index, number) in counts.enumerated() where number > 0 {
            seen += number
            guard seen >= wanted else { continue }
            // The middle of the bucket.
            let base = UInt64(1) << UInt64(index / 8)
            return Double(base) * (1 + (Double(index % 8) + 0.5) / 8)
        }
        return 0
    }
}
