// SPDX-License-Identifier: Apache-2.0

internal import Model

extension Gossiper {
    /// Begins a round if it is time for one: suspects who is silent, and sends SYNs.
    package mutating func tick(
        _ now: UInt64,
        using generator: inout some RandomNumberGenerator
    ) -> GossipOutput {
        var output = GossipOutput()
        guard !isStopped else { return output }
        if let lastTick {
            // A tick that is a little early counts, or every second round might be missed.
            guard now >= lastTick, now - lastTick >= configuration.roundInterval / 10 * 9 else {
                return output
            }
            if now - lastTick > configuration.roundInterval + configuration.localPauseMax {
                for index in nodes.indices { nodes[index].detector.forgive(now) }
            }
        }
        lastTick = now
        nodes[ownIndex].state.beat()
        suspect(now, &output)
        for destination in destinations(using: &generator) {
            let run = digests(using: &generator)
            output.messages.append(
                GossipEnvelope(destination: destination, message: message(.syn(run)))
            )
        }
        return output
    }

    private mutating func suspect(_ now: UInt64, _ output: inout GossipOutput) {
        for index in nodes.indices where nodes[index].isAlive && nodes[index].state.id != id {
            guard nodes[index].detector.phi(now) > configuration.detector.threshold else { continue }
            nodes[index].isAlive = false
            output.events.append(.down(nodes[index].state.id))
        }
    }

    /// Whom this round speaks to: one that is alive; one that is down, the more likely the more are;
    /// a seed if there is nobody else, and else with a probability that gives all seeds together about
    /// one SYN for each of them a round.
    private func destinations(using generator: inout some RandomNumberGenerator) -> [NodeAddress] {
        var alive: [NodeAddress] = []
        var down: [NodeAddress] = []
        for node in nodes where node.state.id != id {
            if node.isAlive {
                alive.append(node.state.address)
            } else {
                down.append(node.state.address)
            }
        }
        var chosen: [NodeAddress] = []
        if let address = alive.randomElement(using: &generator) { chosen.append(address) }
        let share = Double(down.count) / Double(alive.count + 1)
        if Double.random(in: 0..<1, using: &generator) < share,
            let address = down.randomElement(using: &generator)
        {
            chosen.append(address)
        }
        let others = seeds.filter { $0 != own.address }
        let hasSeed = chosen.first.map { others.contains($0) } ?? false
        guard !hasSeed || alive.count < others.count else { return chosen }
        let seedShare = Double(others.count) / Double(max(alive.count + down.count, 1))
        if alive.isEmpty || Double.random(in: 0..<1, using: &generator) < seedShare,
            let address = others.randomElement(using: &generator), !chosen.contains(address)
        {
            chosen.append(address)
        }
        return chosen
    }

    /// How new the copies are, of as many nodes as a message holds: a run that begins anywhere, so that
    /// each node comes to its turn equally often.
    private func digests(using generator: inout some RandomNumberGenerator) -> DigestRun {
        let room = configuration.messageBytesMax
            - GossipMessage.overhead(cluster: configuration.cluster)
        let countMax = room / GossipDigest.bytesMax
        var run = 0..<nodes.count
        if nodes.count > countMax {
            let start = Int.random(in: 1 - countMax ..< nodes.count, using: &generator)
            run = max(start, 0)..<min(start + countMax, nodes.count)
        }
        return DigestRun(
            lower: run.lowerBound == 0 ? nil : nodes[run.lowerBound].state.id,
            upper: run.upperBound == nodes.count ? nil : nodes[run.upperBound - 1].state.id,
            digests: nodes[run].map {
                GossipDigest(
                    id: $0.state.id,
                    generation: $0.state.generation,
                    version: $0.state.version
                )
            }
        )
    }
}
