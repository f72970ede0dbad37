// SPDX-License-Identifier: Apache-2.0

import Environment

/// A value that tests share with the jobs that they start.
final class Box<Value: Sendable>: @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var content: Value

    init(_ value: Value) { content = value }

    var value: Value { lock.withLock { content } }

    func update(_ body: (inout Value) -> Void) { lock.withLock { body(&content) } }
}
