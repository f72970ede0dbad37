// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// What the terminal's signals have left behind: Ctrl-C, and a window of another size.
///
/// A signal may reach any thread, so that it does not end a read in another one: the handlers write
/// a byte to a pipe, and whoever waits for a key waits for the pipe, too.
enum Interrupts {
    /// What came first of a key and a signal.
    enum Event {
        case key(UInt8)
        case pressed
        case resized
        case end
    }

    /// How often Ctrl-C was pressed since it was last asked.
    private static let presses = Atomic<Int>(0)
    private static let hasResized = Atomic<Bool>(false)
    private static let readEnd = Atomic<Int32>(-1)
    private static let writeEnd = Atomic<Int32>(-1)

    /// Handles SIGINT and SIGWINCH from now on.
    static func install() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        // The first use of a global initialises it, which a signal handler must not do.
        readEnd.store(ends[0], ordering: .relaxed)
        writeEnd.store(ends[1], ordering: .relaxed)
        presses.store(0, ordering: .relaxed)
        hasResized.store(false, ordering: .relaxed)
        handle(SIGINT) { _ in
            // The third press in a row means it: nothing listens.
            if Interrupts.presses.add(1, ordering: .relaxed).newValue >= 3 { _exit(130) }
            Interrupts.wake()
        }
        handle(SIGWINCH) { _ in
            Interrupts.hasResized.store(true, ordering: .relaxed)
            Interrupts.wake()
        }
    }

    /// Whether Ctrl-C was pressed since the last call.
    static func takePress() -> Bool { presses.exchange(0, ordering: .relaxed) > 0 }

    /// Waits for a byte from the terminal or for a signal. A press stays noted.
    static func nextEvent() -> Event {
        while true {
            if presses.load(ordering: .relaxed) > 0 { return .pressed }
            if hasResized.exchange(false, ordering: .relaxed) { return .resized }
            let pipe = readEnd.load(ordering: .relaxed)
            var waiting = [
                pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
                pollfd(fd: pipe, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, nfds_t(waiting.count), -1) > 0 else {
                if errno == EINTR { continue }
                return .end
            }
            var byte: UInt8 = 0
            if waiting[1].revents != 0 {
                while read(pipe, &byte, 1) == 1 {}
            } else if waiting[0].revents != 0 {
                let count = read(0, &byte, 1)
                if count < 0, errno == EINTR || errno == EAGAIN { continue }
                return count == 1 ? .key(byte) : .end
            }
        }
    }

    private static func wake() {
        var byte: UInt8 = 1
        _ = write(writeEnd.load(ordering: .relaxed), &byte, 1)
    }

    private static func handle(
        _ signal: Int32,
        _ handler: @escaping @convention(c) (Int32) -> Void
    ) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(signal, &action, nil)
    }
}
