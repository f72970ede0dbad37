// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model

/// Replicas of one register, and coordinators that write and read it by Paxos, under a random
/// scheduler: messages lost, doubled and reordered, replicas that crash and lose what wasn't durable,
/// coordinators that vanish, clocks that differ. The history must be linearizable.
struct PaxosWorld {
    /// Bugs that the checker must find.
    enum Plant: CaseIterable {
        case none
        /// A replica that restarts has forgotten what it promised and accepted.
        case forgetPromise
        /// A replica accepts whatever it has promised to others meanwhile.
        case acceptStale
        /// A proposer doesn't finish what others have begun.
        case ignoreUnfinished
        /// A proposer doesn't bring the latest commit to a majority first.
        case skipCatchUp
        /// Reads don't end the attempts that they haven't seen.
        case skipEnding
        /// Answers leave before the state is durable.
        case skipSync
    }

    private struct Register: Hashable {
        var value: UInt64 = 0
        var time: UInt64 = 0

        var bytes: [UInt8] {
            MetadataFixture.bytes { writer in
                writer.appendBigEndian(value)
                writer.appendBigEndian(time)
            }
        }

        init() {}

        init(_ bytes: [UInt8]) {
            guard bytes.count == 16 else { return }
            bytes.withView { view in
                value = view.loadBigEndian(0, as: UInt64.self)
                time = view.loadBigEndian(8, as: UInt64.self)
            }
        }

        mutating func merge(_ other: Register) {
            if (other.time, other.value) > (time, value) { self = other }
        }
    }

    private struct Replica {
        var state = PaxosState()
        var register = Register()
        var durableState = PaxosState()
        var durableRegister = Register()
        /// Answers that wait for the disk.
        var waiting: [Flight] = []
        var isUp = true
    }

    private struct Flight {
        enum Body {
            case request(PaxosRequest)
            case answer(PaxosAnswer)
        }

        let operation: Int
        let replica: Int
        let body: Body
    }

    private struct Client {
        var proposer: PaxosProposer?
        let expected: UInt64?
        let new: UInt64
        let isRead: Bool
        let invoked: Int
        let skew: UInt64
        /// What was decided on.
        var observed: UInt64 = 0
    }

    private let plant: Plant
    private var random: SplitMix64
    private var replicas: [Replica]
    private var flights: [Flight] = []
    private var clients: [Client] = []
    private var now: Int64 = 1_000_000
    /// Orders invocations and returns.
    private var event = 0
    private var isHealed = false
    private var history: [RegisterOperation] = []
    private var values: [UInt64] = [0]
    private(set) var violations: [String] = []
    private(set) var outcomes: [String: Int] = [:]

    init(seed: UInt64, plant: Plant = .none) {
        self.plant = plant
        random = SplitMix64(seed: seed)
        replicas = Array(repeating: Replica(), count: seed % 4 == 0 ? 5 : 3)
    }

    /// Plays `steps` steps with at most `operations` operations, heals all, and checks the history.
    mutating func run(steps: Int, operations: Int) -> [String] {
        for _ in 0..<steps {
            step(operations)
            if !violations.isEmpty { return violations }
        }
        heal()
        if violations.isEmpty, !LinearizabilityChecker.isLinearizable(history) {
            violations.append("not linearizable")
        }
        return violations
    }

    private mutating func chance(_ oneIn: UInt64) -> Bool { random.next() % oneIn == 0 }

    private mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    private mutating func step(_ operations: Int) {
        now += Int64(random.next() % 8_000)
        let replica = pick(replicas.count)
        switch random.next() % 100 {
        case 0..<62: deliver()
        case 62..<78: sync(replica)
        case 78..<84: tickAll()
        case 84..<93: if clients.count < operations { begin(isRead: chance(3)) }
        case 93..<95: crash(replica)
        case 95..<98: restart(replica)
        case 98: vanish()
        default: break
        }
    }

    // MARK: Clients

    private mutating func begin(isRead: Bool) {
        event += 1
        let new = UInt64(clients.count + 1)
        let nodes = replicas.indices.map { MetadataFixture.id($0 + 1) }
        var request = PaxosProposer.Request(
            participants: nodes,
            alive: nodes,
            commitTargets: nodes,
            isRead: isRead,
            deadline: now + 400_000
        )
        if chance(2) {
            request.commitNeeds = [PaxosCommitNeed(replicas: nodes, count: 1 + pick(2))]
        }
        if isHealed { request.deadline = now + 60_000_000 }
        var settings = PaxosProposer.Settings()
        settings.roundTimeout = 60_000
        let expected: UInt64? = chance(3) ? nil : values[max(0, values.count - 1 - pick(3))]
        clients.append(
            Client(
                proposer: PaxosProposer(request, seed: random.next(), settings: settings),
                expected: expected,
                new: new,
                isRead: isRead,
                invoked: event,
                skew: random.next() % 60_000
            )
        )
        let index = clients.count - 1
        let now = moment(index)
        perform(clients[index].proposer?.start(at: now), of: index)
    }

    private func moment(_ client: Int) -> PaxosMoment {
        PaxosMoment(now: now, wall: UInt64(now) + clients[client].skew)
    }

    private mutating func tickAll() {
        for index in clients.indices where clients[index].proposer != nil {
            let now = moment(index)
            perform(clients[index].proposer?.tick(at: now), of: index)
        }
    }

    /// A coordinator crashes; its client never hears of its operation again.
    private mutating func vanish() {
        let running = clients.indices.filter { clients[$0].proposer != nil }
        guard !running.isEmpty else { return }
        let index = running[pick(running.count)]
        finish(index, .unknown(received: 0, required: 0))
    }

    private mutating func perform(_ actions: [PaxosAction]?, of index: Int) {
        for action in actions ?? [] {
            switch action {
            case .send(let request, let nodes):
                for node in nodes {
                    let replica = Int(node.uuid.low) - 1
                    flights.append(
                        Flight(operation: index, replica: replica, body: .request(request))
                    )
                }
            case .decide(let reads): decide(reads, of: index)
            case .finish(let outcome): finish(index, outcome)
            }
        }
    }

    private func merged(_ reads: [PaxosRead]) -> UInt64 {
        var register = Register()
        for read in reads { register.merge(Register(read.bytes)) }
        return register.value
    }

    private mutating func decide(_ reads: [PaxosRead], of index: Int) {
        let value = merged(reads)
        clients[index].observed = value
        let decision: PaxosDecision
        if let expected = clients[index].expected, expected != value {
            decision = .keep
        } else {
            var register = Register()
            register.value = clients[index].new
            register.time = clients[index].proposer?.currentBallot.micros ?? 0
            decision = .propose(register.bytes)
        }
        let now = moment(index)
        perform(clients[index].proposer?.decide(decision, at: now), of: index)
    }

    private mutating func finish(_ index: Int, _ outcome: PaxosOutcome) {
        event += 1
        let client = clients[index]
        clients[index].proposer = nil
        let write = RegisterOperation.Effect.write(expected: client.expected, new: client.new)
        var operation = RegisterOperation(effect: write, invoked: client.invoked, returned: event)
        let name: String
        switch outcome {
        case .applied, .appliedUnconfirmed:
            name = "applied"
            values.append(client.new)
            history.append(operation)
        case .unknown:
            name = "unknown"
            operation.isOptional = true
            values.append(client.new)
            if !client.isRead { history.append(operation) }
        case .notApplied(let reads), .read(let reads):
            name = client.isRead ? "read" : "not applied"
            let read = RegisterOperation.Effect.read(merged(reads))
            history.append(
                RegisterOperation(effect: read, invoked: client.invoked, returned: event)
            )
        case .timeout: name = "timeout"
        case .unavailable: name = "unavailable"
        }
        outcomes[name, default: 0] += 1
    }

    // MARK: Network and replicas

    private mutating func deliver() {
        guard !flights.isEmpty else { return }
        let index = pick(flights.count)
        let flight = flights[index]
        if isHealed || !chance(12) {
            flights[index] = flights[flights.count - 1]
            flights.removeLast()
        }
        if !isHealed, chance(10) { return }
        switch flight.body {
        case .request(let request): serve(request, flight)
        case .answer(let answer):
            let client = flight.operation
            let now = moment(client)
            let heard = tampered(answer)
            perform(
                clients[client].proposer?.receive(
                    heard,
                    from: MetadataFixture.id(flight.replica + 1),
                    at: now
                ),
                of: client
            )
        }
    }

    private mutating func serve(_ request: PaxosRequest, _ flight: Flight) {
        let index = flight.replica
        guard replicas[index].isUp else { return }
        var state = replicas[index].state
        if plant == .acceptStale, case .propose = request { state.promised = nil }
        let transition = PaxosAcceptor.answer(request, state: state)
        if let next = transition.state { replicas[index].state = next }
        if let mutation = transition.mutation { replicas[index].register.merge(Register(mutation)) }
        var answer = transition.answer
        if case .promised(let ballot, var promise) = answer {
            promise.read = replicas[index].register.bytes
            answer = .promised(ballot, promise)
        }
        let reply = Flight(operation: flight.operation, replica: index, body: .answer(answer))
        if plant == .skipSync {
            flights.append(reply)
        } else {
            replicas[index].waiting.append(reply)
        }
    }

    private func tampered(_ answer: PaxosAnswer) -> PaxosAnswer {
        guard case .promised(let ballot, let promise) = answer else { return answer }
        var (accepted, committed, write) =
            (promise.accepted, promise.committed, promise.promisedWrite)
        switch plant {
        case .ignoreUnfinished: accepted = nil
        case .skipCatchUp:
            committed = replicas.compactMap(\.state.committed).max { $0.ballot < $1.ballot }
        case .skipEnding: write = nil
        default: return answer
        }
        let changed = PaxosPromise(
            accepted: accepted,
            committed: committed,
            promisedWrite: write,
            read: promise.read
        )
        return .promised(ballot, changed)
    }

    private mutating func sync(_ index: Int) {
        guard replicas[index].isUp else { return }
        replicas[index].durableState = replicas[index].state
        replicas[index].durableRegister = replicas[index].register
        flights += replicas[index].waiting
        replicas[index].waiting = []
    }

    private mutating func crash(_ index: Int) {
        replicas[index].isUp = false
        replicas[index].waiting = []
        // What wasn't reported durable may be nevertheless.
        if chance(3) { return }
        replicas[index].state = replicas[index].durableState
        replicas[index].register = replicas[index].durableRegister
    }

    private mutating func restart(_ index: Int) {
        guard !replicas[index].isUp else { return }
        replicas[index].isUp = true
        let bytes = MetadataFixture.bytes { replicas[index].state.encode(to: &$0) }
        let read = bytes.withView { view in
            var reader = ByteReader(view)
            return try? PaxosState(from: &reader)
        }
        if read != replicas[index].state { violations.append("a state differs from its bytes") }
        if plant == .forgetPromise {
            replicas[index].state.promised = replicas[index].state.committed?.ballot
            replicas[index].state.accepted = nil
        }
        replicas[index].durableState = replicas[index].state
        replicas[index].durableRegister = replicas[index].register
    }

    private mutating func heal() {
        isHealed = true
        for index in replicas.indices { restart(index) }
        settle()
        begin(isRead: false)
        settle()
        begin(isRead: true)
        settle()
        if clients.contains(where: { $0.proposer != nil }) {
            violations.append("no progress after healing")
        }
        let last = history.last.map { operation in
            guard case .read = operation.effect else { return false }
            return true
        }
        if last != true { violations.append("no read after healing") }
    }

    private mutating func settle() {
        for _ in 0..<400 {
            now += 5_000
            tickAll()
            var budget = 1_000
            while budget > 0, !flights.isEmpty || replicas.contains(where: { !$0.waiting.isEmpty })
            {
                budget -= 1
                deliver()
                for index in replicas.indices { sync(index) }
            }
            if clients.allSatisfy({ $0.proposer == nil }) { return }
        }
    }
}
