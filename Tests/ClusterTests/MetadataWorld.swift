// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model

/// Nodes with a `MetadataGroup` each under a random scheduler: messages lost, doubled and reordered,
/// crashes that lose what wasn't durable, partitions, changes of the voters. Checks that all nodes
/// have the same entry at each epoch, that what was acknowledged is there once, and that what was
/// refused isn't.
struct MetadataWorld {
    /// Bugs that a checker must find.
    enum Plant {
        case none
        /// A voter that restarts knows nothing of what it promised and accepted.
        case forgetPromise
        /// Entries are acknowledged and messages leave before records are durable.
        case skipSync
    }

    private struct Host {
        var group: MetadataGroup?
        /// Records on disk.
        var disk: [MetadataRecord] = []
        /// Handed to the disk and not durable yet.
        var unsynced: [(token: UInt64, records: [MetadataRecord])] = []
    }

    private struct Flight {
        let from: Int
        let to: Int
        let message: MetadataMessage
    }

    private let plant: Plant
    private var random: SplitMix64
    private var hosts: [Host] = []
    private var flights: [Flight] = []
    private var now: Int64 = 1_000_000
    private var isHealed = false
    /// Hosts of one side; messages to the other side are lost.
    private var side: Set<Int> = []
    private var settings = MetadataGroup.Settings()
    private var requestNumber: UInt64 = 0

    /// The entry of each epoch, as the first node that had it said.
    private var log: [UInt64: [UInt8]] = [:]
    private var epochOf: [MetadataRequestID: UInt64] = [:]
    private var acknowledged: [MetadataRequestID: UInt64] = [:]
    private var refused: Set<MetadataRequestID> = []
    private(set) var violations: [String] = []
    private(set) var decided = 0
    private(set) var crashes = 0

    init(seed: UInt64, plant: Plant = .none, hosts count: Int = 5) throws {
        self.plant = plant
        random = SplitMix64(seed: seed)
        var start = try MetadataFixture.cluster(count)
        let voters = (1...(chance(4) ? 1 : 3)).map { MetadataFixture.id($0) }
        try start.apply(.setVoters(voters), 999)
        if chance(3) {
            settings.tailEntriesMax = 3
            settings.messageEntriesMax = 2
        }
        settings.recoveryDelay = 400_000
        settings.attemptTimeout = 300_000
        for index in 0..<count {
            hosts.append(Host(disk: [.snapshot(start)]))
            restart(index)
        }
    }

    /// Plays `steps` steps with faults, heals everything, and waits for agreement.
    mutating func run(steps: Int) -> [String] {
        for _ in 0..<steps where violations.isEmpty { step() }
        if violations.isEmpty { heal() }
        return violations
    }

    private mutating func chance(_ oneIn: UInt64) -> Bool { random.next() % oneIn == 0 }

    private mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    // MARK: One step

    private mutating func step() {
        now += Int64(random.next() % 20_000)
        let host = pick(hosts.count)
        switch random.next() % 100 {
        case 0..<55: for _ in 0..<3 { deliver() }
        case 55..<75: sync(host)
        case 75..<84: perform(hosts[host].group?.tick(now: now), of: host)
        case 84..<91: propose(at: host)
        case 91..<94: gossip(to: host)
        case 94..<96:
            guard hosts[host].group != nil else { break }
            crash(host)
            // Back at once, it meets what it said before the crash.
            guard !chance(3) else { break }
            restart(host)
            if chance(2) { propose(at: host) }
        case 96..<98: if hosts[host].group == nil { restart(host) }
        default: side = chance(2) ? [] : Set((0..<2).map { _ in pick(hosts.count) })
        }
    }

    private mutating func deliver() {
        guard !flights.isEmpty else { return }
        let index = pick(flights.count)
        let flight = flights[index]
        if isHealed || !chance(10) {
            flights[index] = flights[flights.count - 1]
            flights.removeLast()
        }
        let isCut = side.contains(flight.from) != side.contains(flight.to)
        // Who isn't told of a decision goes on with its epoch.
        let loss: UInt64 = if case .entries = flight.message.body { 2 } else { 12 }
        guard isHealed || !(isCut || chance(loss)) else { return }
        var message = flight.message
        if chance(8) { message = recoded(message) }
        let sender = MetadataFixture.id(flight.from + 1)
        perform(hosts[flight.to].group?.receive(message, from: sender, now: now), of: flight.to)
    }

    private mutating func recoded(_ message: MetadataMessage) -> MetadataMessage {
        let bytes = MetadataFixture.bytes { message.encode(to: &$0) }
        let read = bytes.withView { view in
            var reader = ByteReader(view)
            return try? MetadataMessage(from: &reader)
        }
        if read == nil { violations.append("a message doesn't come back from its bytes") }
        return read ?? message
    }

    private mutating func sync(_ host: Int) {
        guard !hosts[host].unsynced.isEmpty else { return }
        let (token, records) = hosts[host].unsynced.removeFirst()
        hosts[host].disk += records
        if plant != .skipSync {
            perform(hosts[host].group?.persisted(token, now: now), of: host)
        }
    }

    private mutating func gossip(to host: Int) {
        let peer = pick(hosts.count)
        guard peer != host, let epoch = hosts[peer].group?.metadata.epoch else { return }
        let id = MetadataFixture.id(peer + 1)
        perform(hosts[host].group?.learned(epoch: epoch, from: id, now: now), of: host)
    }

    private mutating func crash(_ host: Int) {
        crashes += 1
        // Some of what wasn't reported durable may be on disk nevertheless.
        for _ in 0..<pick(hosts[host].unsynced.count + 1) {
            hosts[host].disk += hosts[host].unsynced.removeFirst().records
        }
        hosts[host].unsynced = []
        hosts[host].group = nil
    }

    private mutating func restart(_ host: Int) {
        var recovery = MetadataRecovery()
        for record in hosts[host].disk {
            do throws(MetadataRefusal) {
                try recovery.replay(record)
            } catch {
                violations.append("host \(host) can't replay its records: \(error)")
            }
        }
        switch plant {
        case .forgetPromise:
            recovery.acceptor?.promised = nil
            recovery.acceptor?.accepted = nil
        case .none, .skipSync: break
        }
        hosts[host].group = MetadataGroup(
            id: MetadataFixture.id(host + 1),
            recovery: recovery,
            seed: random.next(),
            settings: settings
        )
        if chance(4), let group = hosts[host].group { hosts[host].disk = group.compactedRecords }
    }

    private mutating func propose(at host: Int) {
        guard let group = hosts[host].group else { return }
        requestNumber += 1
        let schemaEpoch = group.metadata.schema.epoch
        let change: MetadataChange
        switch random.next() % 6 {
        case 0:
            let count = [1, 3, 3, 5][pick(4)]
            let first = pick(hosts.count)
            change = .setVoters(
                (0..<count).map { MetadataFixture.id((first + $0) % hosts.count + 1) }
            )
        case 1:
            let id = MetadataFixture.id(pick(hosts.count) + 1)
            change = chance(2) ? .startLeave(id, force: true) : .abortLeave(id)
        case 2:
            let number = 10 + pick(5)
            change =
                chance(2)
                ? .register(MetadataFixture.node(number)) : .remove(MetadataFixture.id(number))
        default:
            let name = "k\(random.next() % 5)"
            let version = UUID(high: 1, low: requestNumber)
            let edit: SchemaEdit =
                chance(3)
                ? .dropKeyspace(name: name) : MetadataFixture.keyspace(name, ["class": "x"])
            change = .schema([edit], base: schemaEpoch, version: version)
        }
        let entry = MetadataFixture.entry(change, number: requestNumber, by: host + 1)
        let deadline = now + 2_000_000
        perform(hosts[host].group?.propose(entry, deadline: deadline, now: now), of: host)
    }

    // MARK: Actions and checks

    private mutating func perform(_ actions: [MetadataAction]?, of host: Int) {
        for action in actions ?? [] {
            switch action {
            case .persist(let token, let records):
                hosts[host].unsynced.append((token, records))
                if plant == .skipSync {
                    perform(hosts[host].group?.persisted(token, now: now), of: host)
                }
            case .send(let message, let to):
                let target = Int(to.uuid.low) - 1
                guard hosts.indices.contains(target) else { continue }
                flights.append(Flight(from: host, to: target, message: message))
            case .applied(let entry, let metadata): check(entry, at: metadata.epoch)
            case .installed: break
            case .decided(let request, let epoch):
                acknowledged[request] = epoch
                decided += 1
            case .failed(let request, .refused(let reason)):
                if case .repeated = reason { violations.append("\(request) was proposed again") }
                refused.insert(request)
            case .failed(let request, .timeout(mayBeDecided: false)): refused.insert(request)
            case .failed: break
            case .stopped(let epoch, let refusal):
                violations.append("an illegal entry was decided at \(epoch): \(refusal)")
            }
        }
    }

    private mutating func check(_ entry: MetadataEntry, at epoch: UInt64) {
        let bytes = entry.encoded
        if let known = log[epoch] {
            if known != bytes { violations.append("two entries at epoch \(epoch)") }
            return
        }
        log[epoch] = bytes
        if let other = epochOf[entry.request] {
            violations.append("\(entry.request) is at epochs \(other) and \(epoch)")
        }
        epochOf[entry.request] = epoch
    }

    private mutating func heal() {
        isHealed = true
        side = []
        for host in hosts.indices where hosts[host].group == nil { restart(host) }
        // The faults are over: what waits is finished, then every node can still decide something.
        quiesce()
        let before = decided
        for host in hosts.indices {
            requestNumber += 1
            let node = MetadataFixture.node(100 + Int(requestNumber))
            let entry = MetadataFixture.entry(
                .register(node),
                number: requestNumber,
                by: host + 1
            )
            let deadline = now + 60_000_000
            perform(hosts[host].group?.propose(entry, deadline: deadline, now: now), of: host)
        }
        quiesce()
        let expected = before + hosts.count
        if decided < expected, violations.isEmpty {
            violations.append("no progress after healing: \(decided) of \(expected)")
        }
        checkAgreement()
    }

    private mutating func quiesce() {
        for _ in 0..<120 {
            now += 100_000
            for host in hosts.indices {
                perform(hosts[host].group?.tick(now: now), of: host)
                gossip(to: host)
            }
            var budget = 2_000
            while budget > 0, !flights.isEmpty || hosts.contains(where: { !$0.unsynced.isEmpty }) {
                budget -= 1
                deliver()
                for host in hosts.indices { sync(host) }
            }
            let epochs = Set(hosts.compactMap { $0.group?.metadata.epoch })
            let isIdle = hosts.allSatisfy { $0.group?.wakeTime == nil }
            if epochs.count == 1, isIdle, flights.isEmpty { return }
        }
    }

    private mutating func checkAgreement() {
        let states = hosts.compactMap { $0.group?.metadata.encodedBytes }
        if Set(states).count != 1 { violations.append("nodes differ after healing") }
        for (request, epoch) in acknowledged where epochOf[request] != epoch {
            violations.append("\(request) was acknowledged at epoch \(epoch) and isn't there")
        }
        for request in refused where epochOf[request] != nil {
            violations.append("\(request) was refused and is there")
        }
    }
}
