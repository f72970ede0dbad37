// SPDX-License-Identifier: Apache-2.0

package import Model

/// The way to the other nodes. A message may be lost, late, doubled or overtaken by a later one; it never
/// arrives altered. Thread-safe.
package protocol Network: AnyObject, Sendable {
    /// Where this node is reached.
    var address: NodeAddress { get }
    /// Sends `message` on its way and returns at once. It is dropped when the peer can't be reached or
    /// when too much is waiting for it.
    func send(_ message: [UInt8], to peer: NodeAddress)
    /// Calls `handler` for each message that arrives, on any thread, and must not be held up by it. There
    /// is one handler; messages that come before it is set are dropped.
    func receive(_ handler: @escaping @Sendable (_ from: NodeAddress, _ message: [UInt8]) -> Void)
}
