// SPDX-License-Identifier: Apache-2.0

internal import Environment
package import Model

/// The network between machines: each message takes a time of its own, so that a later one may overtake it;
/// some are lost or doubled; and ways may be cut, in one direction or in both.
package final class SimulatedNetwork {
    /// What befalls messages, over and above cut ways.
    package struct Weather: Sendable {
        /// The part of the messages that is lost.
        package var loss = 0.0
        /// The part that arrives twice.
        package var duplication = 0.0
        /// The most nanoseconds by which a message is late, beyond what is usual.
        package var delay: UInt64 = 0

        package init() {}
    }

    private struct Way: Hashable {
        let from: Int
        let to: Int
    }

    package var weather = Weather()
    /// Messages that were sent, that arrived, and that were lost on the way.
    package private(set) var sentCount = 0
    package private(set) var deliveredCount = 0
    package private(set) var lostCount = 0
    private unowned let world: World
    private var random: SplitMix64
    private var machines: [NodeAddress: Machine] = [:]
    /// How many faults cut a way.
    private var cuts: [Way: Int] = [:]

    init(_ world: World) {
        self.world = world
        random = world.makeRandom()
    }

    func add(_ machine: Machine) { machines[machine.address] = machine }

    // MARK: Faults

    /// Cuts the way from one machine to another until it is mended as often.
    package func cut(from: Int, to: Int) { cuts[Way(from: from, to: to), default: 0] += 1 }

    /// Takes one cut back.
    package func mend(from: Int, to: Int) {
        let way = Way(from: from, to: to)
        guard let count = cuts[way] else { return }
        cuts[way] = count > 1 ? count - 1 : nil
    }

    /// Whether messages get from one machine to another at all.
    package func isOpen(from: Int, to: Int) -> Bool { cuts[Way(from: from, to: to)] == nil }

    // MARK: Messages

    /// A machine's end of the network for one life of its process.
    func endpoint(of machine: Machine, _ life: Life) -> SimulatedEndpoint {
        SimulatedEndpoint(machine, life, self)
    }

    func send(_ message: [UInt8], from sender: Machine, to peer: NodeAddress) {
        sentCount += 1
        guard let receiver = machines[peer] else { return lose(message, sender) }
        let isLost = random.chance(weather.loss)
        if isLost || !isOpen(from: sender.index, to: receiver.index) { return lose(message, sender) }
        let copies = random.chance(weather.duplication) ? 2 : 1
        for _ in 0..<copies {
            world.after(latency(sender, receiver)) { [self] in
                deliver(message, from: sender, to: receiver)
            }
        }
    }

    private func deliver(_ message: [UInt8], from sender: Machine, to receiver: Machine) {
        // A way that was cut while the message was under way, or a machine that is off.
        guard isOpen(from: sender.index, to: receiver.index),
            let handler = receiver.endpoint?.handler
        else { return lose(message, sender) }
        deliveredCount += 1
        world.log.note(
            .message,
            at: world.now,
            machine: receiver.index,
            UInt64(sender.index),
            SimulatedNetwork.digest(message)
        ) {
            "of \(message.count) bytes from node \(sender.index)"
        }
        handler(sender.address, message)
        receiver.jobEnded()
    }

    private func lose(_ message: [UInt8], _ sender: Machine) {
        lostCount += 1
        world.log.note(.messageLost, at: world.now, machine: sender.index, UInt64(message.count))
    }

    /// Usually a tenth of a millisecond to half of one, now and then some milliseconds; and what slow
    /// machines and bad weather add.
    private func latency(_ sender: Machine, _ receiver: Machine) -> UInt64 {
        var latency = 100_000 + random.next(upperBound: 400_000 as UInt64)
        if random.chance(0.01) { latency += random.next(upperBound: 10_000_000 as UInt64) }
        if weather.delay > 0 { latency += random.next(upperBound: weather.delay) }
        return latency + sender.slowness + receiver.slowness
    }

    private static func digest(_ message: [UInt8]) -> UInt64 {
        var hash: UInt64 = UInt64(message.count)
        for byte in message { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}

/// A machine's end of the simulated network: what a process gets as `Network`.
package final class SimulatedEndpoint: Network, @unchecked Sendable {  // Owner: the world's thread.
    package let address: NodeAddress
    fileprivate private(set) var handler: (@Sendable (NodeAddress, [UInt8]) -> Void)?
    private let machine: Machine
    private let life: Life
    private unowned let network: SimulatedNetwork

    fileprivate init(_ machine: Machine, _ life: Life, _ network: SimulatedNetwork) {
        self.machine = machine
        self.life = life
        self.network = network
        address = machine.address
    }

    package func send(_ message: [UInt8], to peer: NodeAddress) {
        // A process that has lost its power within this job says nothing any more.
        guard !life.isOver, !machine.disk.isOff else { return }
        network.send(message, from: machine, to: peer)
    }

    package func receive(
        _ handler: @escaping @Sendable (_ from: NodeAddress, _ message: [UInt8]) -> Void
    ) {
        self.handler = handler
    }
}

extension SplitMix64 {
    /// True in that part of all cases.
    mutating func chance(_ share: Double) -> Bool {
        share > 0 && Double(next() >> 11) * 0x1p-53 < share
    }

    /// A number of the range.
    mutating func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
}
