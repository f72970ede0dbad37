// SPDX-License-Identifier: Apache-2.0

package import Model

extension Gossiper {
    /// Takes a message that came from `from`, which is where the answer goes.
    package mutating func receive(
        _ message: GossipMessage,
        from: NodeAddress,
        now: UInt64,
        using generator: inout some RandomNumberGenerator
    ) -> GossipOutput {
        var output = GossipOutput()
        guard !isStopped, message.sender != id else { return output }
        guard message.cluster == configuration.cluster else {
            output.events.append(.refused(from: from, reason: .cluster(message.cluster)))
            return output
        }
        guard !left.contains(message.sender) else {
            output.events.append(.refused(from: from, reason: .left(message.sender)))
            return output
        }
        if let index = index(of: message.sender),
            nodes[index].state.generation == message.generation
        {
            noteLife(index, message.heartbeat, now, &output)
        }
        var answer: GossipMessage.Body?
        switch message.body {
        case .syn(let run):
            answer = compare(run, &output, using: &generator)
        case .ack(let requests, let deltas):
            for delta in deltas { take(delta, message.sender, now, &output) }
            let asked = requests.compactMap { self.delta(for: $0) }
            if !asked.isEmpty { answer = .ack2(deltas: fitting(asked, beside: 0, using: &generator)) }
        case .ack2(let deltas):
            for delta in deltas { take(delta, message.sender, now, &output) }
        case .shutdown(let delta):
            if delta.id == message.sender { take(delta, message.sender, now, &output) }
        }
        if let answer {
            let envelope = GossipEnvelope(destination: from, message: self.message(answer))
            output.messages.append(envelope)
        }
        return output
    }

    /// The answer to a SYN: what is wanted, and what the other lacks. Both are sorted by id, so one
    /// pass over both finds all.
    private mutating func compare(
        _ run: DigestRun,
        _ output: inout GossipOutput,
        using generator: inout some RandomNumberGenerator
    ) -> GossipMessage.Body {
        if let digest = run.digests.first(where: { $0.id == id }) {
            outlive(digest.generation, digest.version, &output)
        }
        var requests: [GossipDigest] = []
        var deltas: [StateDelta] = []
        var index = run.lower.map { lowerBound($0) } ?? 0
        for digest in run.digests {
            while index < nodes.count, nodes[index].state.id < digest.id {
                deltas.append(nodes[index].state.delta(since: 0))
                index += 1
            }
            guard index < nodes.count, nodes[index].state.id == digest.id else {
                // A node that left is known to the other only; it stays unknown here.
                if !left.contains(digest.id), nodes.count < configuration.nodeCountMax {
                    requests.append(GossipDigest(id: digest.id, generation: 0, version: 0))
                }
                continue
            }
            let state = nodes[index].state
            index += 1
            if (digest.generation, digest.version) > (state.generation, state.version) {
                let version = digest.generation == state.generation ? state.version : 0
                requests.append(
                    GossipDigest(id: state.id, generation: state.generation, version: version)
                )
            } else if let delta = delta(for: digest) {
                deltas.append(delta)
            }
        }
        while index < nodes.count, run.upper.map({ nodes[index].state.id <= $0 }) ?? true {
            deltas.append(nodes[index].state.delta(since: 0))
            index += 1
        }
        let requestCountMax = configuration.messageBytesMax / 2 / GossipDigest.bytesMax
        let wanted = rotated(requests, using: &generator).prefix(requestCountMax)
        return .ack(
            requests: Array(wanted),
            deltas: fitting(
                deltas,
                beside: wanted.count * GossipDigest.bytesMax,
                using: &generator
            )
        )
    }

    /// What a copy as old as `digest` lacks; nil if it lacks nothing.
    private func delta(for digest: GossipDigest) -> StateDelta? {
        guard let index = index(of: digest.id) else { return nil }
        let state = nodes[index].state
        if state.generation > digest.generation { return state.delta(since: 0) }
        guard state.generation == digest.generation, state.version > digest.version else {
            return nil
        }
        return state.delta(since: digest.version)
    }

    /// As many as a message holds beside so many bytes, beginning anywhere. None is cut in two.
    private func fitting(
        _ deltas: [StateDelta],
        beside bytes: Int,
        using generator: inout some RandomNumberGenerator
    ) -> [StateDelta] {
        var room = configuration.messageBytesMax - bytes
        room -= GossipMessage.overhead(cluster: configuration.cluster)
        var taken: [StateDelta] = []
        for delta in rotated(deltas, using: &generator) {
            let count = delta.encodedCount
            guard count <= room else { continue }
            room -= count
            taken.append(delta)
        }
        return taken
    }

    private func rotated<Element>(
        _ elements: [Element],
        using generator: inout some RandomNumberGenerator
    ) -> [Element] {
        guard elements.count > 1 else { return elements }
        let start = Int.random(in: elements.indices, using: &generator)
        return Array(elements[start...] + elements[..<start])
    }
}

extension Gossiper {
    /// Takes what `sender` knows of a node.
    private mutating func take(
        _ delta: StateDelta,
        _ sender: NodeID,
        _ now: UInt64,
        _ output: inout GossipOutput
    ) {
        if delta.id == id {
            outlive(delta.generation, delta.version, &output)
        } else if left.contains(delta.id) {
            return
        } else if let index = index(of: delta.id) {
            if nodes[index].state.generation == delta.generation {
                guard let changed = nodes[index].state.apply(delta) else { return }
                for key in changed { output.events.append(.changed(delta.id, key)) }
                if changed.contains(.status) { noteShutdown(index, &output) }
                noteLife(index, delta.heartbeat, now, &output)
            } else if nodes[index].state.generation < delta.generation {
                replace(index, delta, now, &output)
            }
        } else if nodes.count < configuration.nodeCountMax, let state = EndpointState(delta) {
            // Who is heard of by others only may be long dead: it counts as down until its heartbeat moves.
            let isDirect = sender == delta.id
            let node = Node(state: state, heartbeat: isDirect ? 0 : delta.heartbeat)
            let index = lowerBound(delta.id)
            nodes.insert(node, at: index)
            output.events.append(.joined(delta.id))
            noteShutdown(index, &output)
            noteLife(index, delta.heartbeat, now, &output)
        }
    }

    /// A new generation: what was known of the one before is void.
    private mutating func replace(
        _ index: Int,
        _ delta: StateDelta,
        _ now: UInt64,
        _ output: inout GossipOutput
    ) {
        guard let state = EndpointState(delta) else { return }
        nodes[index].state = state
        nodes[index].heartbeat = 0
        nodes[index].detector = PhiAccrualDetector()
        output.events.append(.restarted(delta.id))
        noteShutdown(index, &output)
        noteLife(index, delta.heartbeat, now, &output)
    }

    /// A heartbeat that is newer than all before is a sign of life; after a shutdown there is none.
    private mutating func noteLife(
        _ index: Int,
        _ heartbeat: UInt64,
        _ now: UInt64,
        _ output: inout GossipOutput
    ) {
        guard heartbeat > nodes[index].heartbeat else { return }
        nodes[index].heartbeat = heartbeat
        guard !nodes[index].state.isShutdown else { return }
        nodes[index].detector.report(now, configuration.detector)
        if !nodes[index].isAlive {
            nodes[index].isAlive = true
            output.events.append(.alive(nodes[index].state.id))
        }
    }

    private mutating func noteShutdown(_ index: Int, _ output: inout GossipOutput) {
        guard nodes[index].state.isShutdown else { return }
        output.events.append(.shutdown(nodes[index].state.id))
        if nodes[index].isAlive {
            nodes[index].isAlive = false
            output.events.append(.down(nodes[index].state.id))
        }
    }

    /// Begins a new generation if somebody knows of a later life of this node than this one.
    private mutating func outlive(
        _ generation: UInt64,
        _ version: UInt64,
        _ output: inout GossipOutput
    ) {
        let state = nodes[ownIndex].state
        guard (generation, version) > (state.generation, state.version),
            generation < GossipMessage.numberMax - 1
        else { return }
        nodes[ownIndex].state.generation = generation + 1
        output.events.append(.generationRaised(generation + 1))
    }
}
