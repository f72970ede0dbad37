// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The standard streams.
enum Terminal {
    static func write(_ text: String, toError isError: Bool = false) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(isError ? 2 : 1, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Whether a person sees what is written to the standard error.
    static var isSeen: Bool { isatty(2) == 1 }
}

/// A line of a terminal that says how far something is, made anew twice a second; nothing elsewhere.
final class ProgressLine: Sendable {
    private let line: @Sendable () async -> String?
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ line: @escaping @Sendable () async -> String?) { self.line = line }

    func start() {
        guard Terminal.isSeen else { return }
        let line = line
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        task.withLock { task in
            task = Task {
                var isShown = false
                while !Task.isCancelled {
                    try? await loop.scheduleTask(in: .milliseconds(500)) {}.futureResult.get()
                    guard !Task.isCancelled, let text = await line(), !Task.isCancelled else { continue }
                    isShown = true
                    Terminal.write("\r\u{1B}[K\(text)", toError: true)
                }
                if isShown { Terminal.write("\r\u{1B}[K", toError: true) }
            }
        }
    }

    /// Takes the line away.
    func stop() async {
        let running = task.withLock { task in
            defer { task = nil }
            return task
        }
        running?.cancel()
        await running?.value
    }
}
