// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// What the terminal's signals have left behind: Ctrl-C, and a window of another size.
enum Interrupts {
    /// How often Ctrl-C was pressed since it was last asked.
    private static let presses = Atomic<Int>(0)
    private static let hasResized = Atomic<Bool>(false)

    /// Handles SIGINT and SIGWINCH from now on. A read that waits returns with EINTR.
    static func install() {
        // The first use of a global initialises it, which a signal handler must not do.
        presses.store(0, ordering: .relaxed)
        hasResized.store(false, ordering: .relaxed)
        handle(SIGINT) { _ in
            // The third press in a row means it: nothing listens.
            if Interrupts.presses.add(1, ordering: .relaxed).newValue >= 3 { _exit(130) }
        }
        handle(SIGWINCH) { _ in Interrupts.hasResized.store(true, ordering: .relaxed) }
    }

    /// Whether Ctrl-C was pressed since the last call.
    static func takePress() -> Bool { presses.exchange(0, ordering: .relaxed) > 0 }

    /// Whether Ctrl-C was pressed; it stays noted.
    static var isPressed: Bool { presses.load(ordering: .relaxed) > 0 }

    /// Whether the window has another size since the last call.
    static func takeResize() -> Bool { hasResized.exchange(false, ordering: .relaxed) }

    private static func handle(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void)
    {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(signal, &action, nil)
    }
}
