// SPDX-License-Identifier: Apache-2.0

internal import Client
internal import Cluster
internal import Environment
internal import Glibc
internal import Simulator

/// Clients and nodes as queues, in the simulator's virtual time. Times are in nanoseconds.
final class RoutingModel {
    private static let replicaCount = 3
    private static let workerCount = 2
    /// The mean of what a request takes at a node of full speed; it is spread exponentially.
    private static let serviceTime = 200_000.0
    private static let networkTime: UInt64 = 100_000
    private static let timeout: UInt64 = 1_000_000_000
    private static let processCount = 20
    private static let keyCount = 100_000
    /// How long a node is slow after its return, and how many times as long as then it takes at first.
    private static let warmingTime = 3e9
    private static let coldness = 4.0
    /// Within which a client finds that a node is back.
    private static let returnTime: UInt64 = 2_000_000_000

    private struct Node {
        var busyWorkers = 0
        var waiting: [() -> Void] = []
        var first = 0
        var isUp = true
        var upSince = -1e18
    }

    /// What clients of one process share.
    private struct Process {
        var router: NodeRouter
        var retries = RequestBudget(percent: 10)
        var hedges = RequestBudget(percent: 5)
        var latencies = ReadLatencies()
        var isConnected: [Bool]
    }

    /// A client's request, with all its attempts.
    private final class Request {
        let process: Int
        let start: UInt64
        var candidates: [Int]
        var running = 0
        var isOver = false

        init(process: Int, start: UInt64, candidates: [Int]) {
            self.process = process
            self.start = start
            self.candidates = candidates
        }
    }

    private let place: RoutingCase
    private let hedging: Bool
    private let world: World
    private var random: SplitMix64
    private var nodes: [Node]
    private var processes: [Process]
    /// The sums of the keys' probabilities; empty when all are alike.
    private var cumulated: [Double] = []
    private var isEnding = false
    private(set) var latencies = Latencies()
    private(set) var failedCount = 0

    init(_ place: RoutingCase, _ strategy: RoutingStrategy, hedging: Bool, seed: UInt64) {
        self.place = place
        self.hedging = hedging
        world = World(seed: seed)
        random = world.makeRandom()
        nodes = Array(repeating: Node(), count: place.nodeCount)
        processes = []
        for process in 0..<Self.processCount {
            let known = (0..<place.nodeCount).map { node in
                NodeRouter.Node(
                    weight: place.weights[node] ?? 1,
                    hash: SplitMix64.mixed(UInt64(process * 1000 + node))
                )
            }
            let router = NodeRouter(strategy, BreakerRule(), nodes: known)
            processes.append(Process(router: router, isConnected: Array(repeating: true, count: place.nodeCount)))
        }
        guard place.isSkewed else { return }
        var sum = 0.0
        cumulated = (1...Self.keyCount).map { rank in
            sum += pow(Double(rank), -0.99)
            return sum
        }
    }

    func run(seconds: Int) {
        let end = UInt64(seconds) * 1_000_000_000
        scheduleArrival()
        if place.hasOutage {
            world.after(end / 4) { self.nodes[0].isUp = false }
            world.after(end / 2) {
                self.nodes[0].isUp = true
                self.nodes[0].upSince = Double(self.world.now)
            }
        }
        world.run(for: end)
        // What has begun ends, or is seen to be late.
        isEnding = true
        world.run(for: Self.timeout * 2)
    }

    // MARK: Clients

    /// All clients together send at random moments: the sum of many that do so by themselves.
    private func scheduleArrival() {
        let capacity = Double(place.nodeCount * Self.workerCount) / Self.serviceTime
        world.after(exponential(1 / (capacity * place.load))) {
            guard !self.isEnding else { return }
            self.arrive()
            self.scheduleArrival()
        }
    }

    private func arrive() {
        let process = Int.random(in: 0..<Self.processCount, using: &random)
        let owner = Int(SplitMix64.mixed(UInt64(nextKey())) % UInt64(place.nodeCount))
        var candidates = (0..<Self.replicaCount).map { (owner + $0) % place.nodeCount }
            .filter { processes[process].isConnected[$0] }
        processes[process].router.order(&candidates, at: world.now, using: &random)
        processes[process].retries.earn()
        processes[process].hedges.earn()
        let request = Request(process: process, start: world.now, candidates: candidates)
        attempt(request)
        world.after(Self.timeout) { self.end(request, isAnswered: false) }
        guard hedging, let delay = processes[process].latencies.percentile(99) else { return }
        world.after(delay) {
            guard !request.isOver, !request.candidates.isEmpty, self.processes[process].hedges.spend() else { return }
            self.attempt(request)
        }
    }

    private func nextKey() -> Int {
        guard let sum = cumulated.last else { return Int.random(in: 0..<Self.keyCount, using: &random) }
        let wanted = Double.random(in: 0..<sum, using: &random)
        var (low, high) = (0, cumulated.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if cumulated[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Sends a request to the next node.
    private func attempt(_ request: Request) {
        guard !request.candidates.isEmpty else {
            if request.running == 0 { end(request, isAnswered: false) }
            return
        }
        let node = request.candidates.removeFirst()
        let start = world.now
        request.running += 1
        processes[request.process].router.asked(node)
        // A client that gives up notes that the node didn't answer in time.
        var isNoted = false
        world.after(Self.timeout) {
            guard !isNoted else { return }
            isNoted = true
            self.processes[request.process].router.failed(node, at: self.world.now)
        }
        send(to: node) { isServed in
            request.running -= 1
            if !isNoted {
                isNoted = true
                self.note(request, node, start, isServed: isServed)
            }
            if isServed { return self.end(request, isAnswered: true) }
            guard !request.isOver, self.processes[request.process].retries.spend() else {
                if request.running == 0 { self.end(request, isAnswered: false) }
                return
            }
            self.attempt(request)
        }
    }

    private func note(_ request: Request, _ node: Int, _ start: UInt64, isServed: Bool) {
        let process = request.process
        if isServed {
            processes[process].router.answered(node, after: world.now - start, at: world.now)
            return processes[process].latencies.note(world.now - start)
        }
        processes[process].router.failed(node, at: world.now)
        guard processes[process].isConnected[node] else { return }
        // The connection is lost: the node is left out until it can be reached.
        processes[process].isConnected[node] = false
        reconnect(process, node)
    }

    private func reconnect(_ process: Int, _ node: Int) {
        world.after(UInt64.random(in: 0..<Self.returnTime, using: &random)) {
            guard self.nodes[node].isUp else { return self.isEnding ? () : self.reconnect(process, node) }
            self.processes[process].isConnected[node] = true
        }
    }

    private func end(_ request: Request, isAnswered: Bool) {
        guard !request.isOver else { return }
        request.isOver = true
        if isAnswered {
            latencies.add(world.now - request.start)
        } else {
            failedCount += 1
        }
    }

    // MARK: Nodes

    /// Sends to a node, which serves when a worker is free. `done` is told when its answer, or the end of the
    /// connection, is back.
    private func send(to node: Int, _ done: @escaping (_ isServed: Bool) -> Void) {
        world.after(Self.networkTime) {
            guard self.nodes[node].isUp else { return self.world.after(Self.networkTime) { done(false) } }
            self.nodes[node].waiting.append { done(true) }
            self.serve(node)
        }
    }

    private func serve(_ node: Int) {
        guard nodes[node].busyWorkers < Self.workerCount, nodes[node].first < nodes[node].waiting.count else { return }
        let done = nodes[node].waiting[nodes[node].first]
        nodes[node].first += 1
        if nodes[node].first > 1024 {
            nodes[node].waiting.removeFirst(nodes[node].first)
            nodes[node].first = 0
        }
        nodes[node].busyWorkers += 1
        world.after(exponential(Self.serviceTime * slowness(node))) {
            self.nodes[node].busyWorkers -= 1
            self.world.after(Self.networkTime, done)
            self.serve(node)
        }
    }

    private func slowness(_ node: Int) -> Double {
        let own = place.slowness[node] ?? 1
        let warmth = (Double(world.now) - nodes[node].upSince) / Self.warmingTime
        return warmth < 1 ? own * (Self.coldness + (1 - Self.coldness) * warmth) : own
    }

    private func exponential(_ mean: Double) -> UInt64 {
        UInt64(-log(1 - Double.random(in: 0..<1, using: &random)) * mean)
    }
}
