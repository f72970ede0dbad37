// SPDX-License-Identifier: Apache-2.0

internal import Cluster
internal import Environment
internal import Model
internal import Node

/// What operators do with a cluster in the middle of everything else: nodes come, go, are replaced, move and
/// are repaired.
///
/// It is as careful as an operator is: a node is given up for lost only while nothing else is under way, since its
/// disk is lost with it.
final class ClusterOperations {
    /// So many machines may come in a run.
    private static let newcomersMax = 3

    private let world: World
    private let nodeCount: Int
    private var random: SplitMix64
    /// Makes a machine and starts it.
    var add: () -> Void = {}
    /// The machines that have left for good.
    private(set) var gone: Set<Int> = []
    /// The address of the lost machine whose place a machine takes.
    private(set) var replaced: [Int: NodeAddress] = [:]
    /// Whether a machine was lost with what only it had.
    private(set) var hasLostDisk = false
    private var leaving: Set<Int> = []

    init(_ world: World, nodeCount: Int) {
        self.world = world
        self.nodeCount = nodeCount
        random = world.makeRandom()
    }

    /// The machines that belong to the cluster, or have yet to join or to leave it.
    var members: [Machine] { world.machines.filter { !gone.contains($0.index) } }

    /// The addresses that a machine is told to begin with.
    func seeds(for machine: Machine) -> [NodeAddress] {
        guard nodeCount > 1 else { return [] }
        // The first one founds the cluster.
        if !gone.contains(0) { return [world.machines[0].address] }
        let others = members.filter { $0 !== machine }
        let known = others.filter { replaced[$0.index] == nil || isNormal($0) }
        return (known.isEmpty ? others : known).map(\.address)
    }

    // MARK: Operations

    /// Begins what a schedule says.
    ///
    /// - Returns: false if the cluster isn't such that an operator would do it.
    func begin(_ kind: FaultKind, _ machine: Machine) -> Bool {
        guard !gone.contains(machine.index) else { return false }
        switch kind {
        case .join: return join()
        case .decommission: return decommission(machine)
        case .replace: return replace(machine)
        case .move: return move(machine)
        case .repair:
            guard let member = member(of: machine) else { return false }
            member.repair(keyspace: nil, tables: [], primaryOnly: false) { _, _ in }
            machine.jobEnded()
            return true
        default: return false
        }
    }

    private func join() -> Bool {
        guard world.machines.count < nodeCount + ClusterOperations.newcomersMax else { return false }
        add()
        return true
    }

    private func decommission(_ machine: Machine) -> Bool {
        guard let member = member(of: machine), isNormal(machine), members.count - leaving.count > 3
        else { return false }
        leaving.insert(machine.index)
        member.decommission(force: false) { _ in }
        machine.jobEnded()
        watch()
        return true
    }

    private func replace(_ machine: Machine) -> Bool {
        guard world.machines.count < nodeCount + ClusterOperations.newcomersMax, nodeCount >= 3,
            isQuiet, isNormal(machine)
        else { return false }
        machine.crash(.torn)
        gone.insert(machine.index)
        hasLostDisk = true
        replaced[world.machines.count] = machine.address
        add()
        look(after: world.machines.count - 1, for: machine.address, rounds: 0)
        return true
    }

    /// Gives up, after a while, what stands in the way of a replacement: others' movements that wait for rows of the lost
    /// node while it waits for them.
    private func look(after replacement: Int, for lost: NodeAddress, rounds: Int) {
        world.after(5 * SimulatedTime.second) { [self] in
            guard let view, let id = view.node(at: lost), view.node(id)?.state == .normal else { return }
            let isWaiting = view.node(at: world.machines[replacement].address)
                .flatMap { view.node($0)?.state } == .registered
            if isWaiting, rounds >= 3 {
                let helper = members.first { $0.index != replacement && member(of: $0) != nil }
                for node in view.nodes where node.state.isUnderWay && !node.isHandedOver {
                    helper.flatMap(member)?.abort(node.id) { _ in }
                }
                helper?.jobEnded()
            }
            look(after: replacement, for: lost, rounds: isWaiting ? rounds + 1 : 0)
        }
    }

    private func move(_ machine: Machine) -> Bool {
        guard let member = member(of: machine), isNormal(machine) else { return false }
        let tokens = Set((0..<4).map { _ in Token(Int64(bitPattern: random.next())) }).sorted()
        member.move(to: tokens) { _ in }
        machine.jobEnded()
        return true
    }

    private func member(of machine: Machine) -> ClusterMember? {
        (machine.process as? DatabaseProcess)?.node.member
    }

    /// Looks now and then whether those who leave have left, and switches them off.
    private func watch() {
        world.after(SimulatedTime.second) { [self] in
            retire()
            if !leaving.isEmpty { watch() }
        }
    }

    /// Switches off who has left.
    func retire() {
        guard let view else { return }
        for index in leaving.sorted() {
            let machine = world.machines[index]
            let hasLeft = view.nodes.contains { $0.address == machine.address && $0.state == .left }
            guard hasLeft else { continue }
            leaving.remove(index)
            gone.insert(index)
            if machine.isUp { machine.stop() }
        }
    }

    // MARK: State

    /// The cluster as the node that knows most of it sees it; nil if none is up.
    var view: ClusterView? {
        members.compactMap { member(of: $0)?.coordinator.view }.max { $0.epoch < $1.epoch }
    }

    private func isNormal(_ machine: Machine) -> Bool {
        guard let view, let id = view.node(at: machine.address) else { return false }
        return view.node(id)?.state == .normal
    }

    /// Whether all who belong to the cluster own their tokens and nobody moves.
    private var isQuiet: Bool {
        guard let view else { return false }
        return members.allSatisfy(isNormal)
            && view.nodes.allSatisfy { $0.state == .normal || $0.state == .left }
    }

    /// Whether all nodes are up, agree on the cluster, and nothing is under way in it.
    var hasSettled: Bool {
        guard nodeCount > 1 else { return true }
        retire()
        guard isQuiet, let view else { return false }
        return members.allSatisfy { member(of: $0)?.coordinator.view.epoch == view.epoch }
    }

    /// What each member knows, for people.
    var summary: String {
        let states = view?.nodes.map { "\($0.address) \($0.state)" } ?? []
        let epochs = members.map { "node \($0.index) at \(member(of: $0)?.coordinator.view.epoch ?? 0)" }
        return (states + epochs).joined(separator: ", ")
    }

    /// What is wrong with who owns what, when nothing is under way.
    var ownershipFaults: [String] {
        guard nodeCount > 1, let view else { return [] }
        var faults: [String] = []
        let owners = Set(view.nodes.filter(\.state.ownsTokens).map(\.id))
        if owners.count != members.count {
            faults.append("\(owners.count) nodes own tokens, but \(members.count) belong to the cluster")
        }
        for (keyspace, placement) in view.replicated {
            guard case .simple(let factor) = placement.map.strategy else { continue }
            for part in placement.map.ranges {
                let natural = part.replicas.natural
                let isRight = Set(natural).count == min(factor, owners.count)
                    && owners.isSuperset(of: natural) && part.replicas.pending.isEmpty
                if !isRight {
                    faults.append("\(keyspace): the tokens \(part.range) have the replicas \(part.replicas)")
                }
            }
            for machine in members {
                let other = member(of: machine)?.coordinator.view.placement(of: keyspace)
                if other?.map.ranges != placement.map.ranges {
                    faults.append("\(keyspace): node \(machine.index) knows other replicas than the rest")
                }
            }
        }
        return faults
    }

    /// Repairs all that a node owns; `done` is called with the bytes that replicas lacked, or why it failed.
    func repair(_ machine: Machine, done: @escaping (Int, String?) -> Void) {
        guard let member = member(of: machine) else { return done(0, "the node is not up") }
        let box = UncheckedBox(done)
        member.repair(keyspace: nil, tables: [], primaryOnly: true) { progress, failure in
            box.value(progress.repairedBytes, failure)
        }
        machine.jobEnded()
    }
}
