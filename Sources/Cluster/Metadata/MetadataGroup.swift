// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a driver of a `MetadataGroup` has to do, in this order.
package enum MetadataAction: Sendable {
    /// Append the records to the log on disk, and call `persisted(token)` once they are durable.
    /// Tokens count upwards; records become durable in their order.
    case persist(token: UInt64, [MetadataRecord])
    /// Send a message. All that it depends on is durable already.
    case send(MetadataMessage, to: NodeID)
    /// An entry was decided, is durable here, and leads to the metadata after it.
    case applied(MetadataEntry, ClusterMetadata)
    /// A snapshot took the place of all entries up to its epoch.
    case installed(ClusterMetadata)
    /// A local proposal is the entry of this epoch.
    case decided(MetadataRequestID, epoch: UInt64)
    /// A local proposal isn't, and is given up.
    case failed(MetadataRequestID, MetadataFailure)
    /// A decided entry isn't legal here: this node's software disagrees with the others' about what
    /// is legal. It takes no further part.
    case stopped(epoch: UInt64, MetadataRefusal)
}

/// Why a proposal wasn't decided.
package enum MetadataFailure: Error, Equatable, Sendable {
    /// Not legal at the latest epoch: it never becomes an entry.
    case refused(MetadataRefusal)
    /// Its time is over. With `mayBeDecided` it may have become an entry or may still become one;
    /// else it never does.
    case timeout(mayBeDecided: Bool)
    /// Too many proposals are waiting on this node.
    case overloaded
    /// The group has stopped.
    case stopped
}

/// Decides the entries of the metadata log, one epoch after the other, by Paxos among the voters.
///
///     propose -> prepare to all voters -> promises of a majority
///        a promise with an accepted entry:  that entry is proposed; one's own waits for its turn
///        none: this epoch is the latest; one's own entry is checked against it, and
///              refused (nothing was proposed) or proposed
///     accept to all voters -> accepted by a majority -> decided: told to all nodes
///
/// Each epoch is a Paxos instance of its own, and its voters follow from the entries before it. Only
/// who knows all earlier entries takes part; who is behind is told what is missing.
/// So each entry is legal at the epoch it is decided at, and a proposal is in at most one of them:
/// it goes into the next epoch's attempt only when the epoch before is known and is another entry.
///
/// No clock, no disk, no network: a driver performs the actions that each call returns. Whatever
/// leaves waits inside until all records handed out before are durable.
/// Times are microseconds of any clock that doesn't run backwards.
package struct MetadataGroup: Sendable {
    package struct Settings: Sendable {
        /// How long an attempt waits for a majority.
        package var attemptTimeout: Int64 = 1_000_000
        /// Between two attempts, for the first repetition; doubles with each.
        package var backoffMin: Int64 = 10_000
        package var backoffMax: Int64 = 1_000_000
        /// How long a voter waits for another's accepted entry to be decided before it finishes it.
        package var recoveryDelay: Int64 = 2_000_000
        /// Between two requests for missing entries.
        package var fetchInterval: Int64 = 100_000
        package var queueMax = 256
        /// What is kept in memory for nodes that are behind; beyond it they get a snapshot.
        package var tailEntriesMax = 1_024
        package var tailBytesMax = 8 << 20
        package var messageEntriesMax = 256
        package var messageBytesMax = 1 << 20

        package init() {}
    }

    struct Pending {
        let entry: MetadataEntry
        let deadline: Int64
        /// The epoch for which it was last proposed to others; nil if never.
        var slot: UInt64?
    }

    enum Phase {
        case preparing(promises: [NodeID: MetadataVote?])
        case accepting(MetadataVote, by: Set<NodeID>)
    }

    struct Attempt {
        let ballot: MetadataBallot
        let deadline: Int64
        var phase: Phase
    }

    enum Output {
        case action(MetadataAction)
        /// A message of this node to itself.
        case local(MetadataMessage.Body)
    }

    package let id: NodeID
    package internal(set) var metadata: ClusterMetadata
    let settings: Settings
    var tail: MetadataTail
    var acceptor: MetadataAcceptor
    /// When the accepted entry of `acceptor` was first seen.
    var acceptedTime: Int64?
    var queue: [Pending] = []
    var attempt: Attempt?
    /// The highest round that anyone has used in this slot, as far as known.
    var roundSeen: UInt64 = 0
    var failures = 0
    /// No attempt before.
    var attemptTime: Int64 = .min
    var fetchTime: Int64 = .min
    var stopReason: MetadataRefusal?
    private var randomState: UInt64

    private var tokenIssued: UInt64 = 0
    private var tokenDurable: UInt64 = 0
    /// What may leave once its token is durable, in order.
    private var held: [(token: UInt64, output: Output)] = []
    private var actions: [MetadataAction] = []

    /// - Parameters:
    ///   - recovery: What the records on disk say; of a new cluster, one snapshot of its founding.
    ///   - seed: Random: nodes that retry at the same time must draw different pauses.
    package init(id: NodeID, recovery: MetadataRecovery, seed: UInt64, settings: Settings = .init())
    {
        self.id = id
        self.settings = settings
        metadata = recovery.metadata
        tail = MetadataTail(entries: recovery.entries, last: recovery.metadata.epoch)
        tail.trim(settings)
        acceptor = MetadataAcceptor(slot: recovery.metadata.epoch + 1)
        if let kept = recovery.acceptor, kept.slot == acceptor.slot { acceptor = kept }
        randomState = seed
    }

    // MARK: Inputs

    /// Wishes an entry. It ends with `decided` or `failed`.
    package mutating func propose(
        _ entry: MetadataEntry,
        deadline: Int64,
        now: Int64
    )
        -> [MetadataAction]
    {
        let size = entry.encoded.count
        if stopReason != nil {
            fail(entry.request, .stopped)
        } else if queue.count >= settings.queueMax {
            fail(entry.request, .overloaded)
        } else if size > MetadataLimits.entryBytesMax {
            let limit = MetadataLimits.entryBytesMax
            fail(entry.request, .refused(.tooLarge(bytes: size, limit: limit)))
        } else {
            queue.append(Pending(entry: entry, deadline: deadline))
        }
        return run(now)
    }

    /// Takes a peer's message.
    package mutating func receive(
        _ message: MetadataMessage,
        from peer: NodeID,
        now: Int64
    )
        -> [MetadataAction]
    {
        guard isOurs(message) else { return [] }
        handle(message.body, from: peer, now: now)
        return run(now)
    }

    /// Lets time pass; to be called at `wakeTime`, or every now and then.
    package mutating func tick(now: Int64) -> [MetadataAction] {
        if let current = attempt, current.deadline <= now { giveUpAttempt(now) }
        for pending in queue where pending.deadline <= now {
            fail(pending.entry.request, .timeout(mayBeDecided: pending.slot == slot))
        }
        queue.removeAll { $0.deadline <= now }
        if acceptor.accepted != nil, acceptedTime == nil { acceptedTime = now }
        return run(now)
    }

    /// All records up to a token are durable.
    package mutating func persisted(_ token: UInt64, now: Int64) -> [MetadataAction] {
        tokenDurable = max(tokenDurable, min(token, tokenIssued))
        return run(now)
    }

    /// Gossip says that a peer is at an epoch.
    package mutating func learned(epoch: UInt64, from peer: NodeID, now: Int64) -> [MetadataAction]
    {
        if epoch > metadata.epoch { fetch(from: peer, now: now) }
        return run(now)
    }

    /// When `tick` has something to do; nil if nothing waits.
    package var wakeTime: Int64? {
        if stopReason != nil { return nil }
        var times = queue.map(\.deadline)
        if let attempt {
            times.append(attempt.deadline)
        } else if !queue.isEmpty {
            times.append(attemptTime)
        }
        if acceptor.accepted != nil, attempt == nil {
            times.append(max(attemptTime, (acceptedTime ?? .min) &+ recoveryDelay))
        }
        return times.min()
    }

    /// What the records on disk may be replaced by, once all that were handed out are durable.
    package var compactedRecords: [MetadataRecord] {
        let isFresh = acceptor.promised == nil && acceptor.accepted == nil && acceptor.round == 0
        return [.snapshot(metadata)] + (isFresh ? [] : [.acceptor(acceptor)])
    }

    // MARK: Outputs

    /// Lets out what is durable, and begins an attempt if one is due.
    private mutating func run(_ now: Int64) -> [MetadataAction] {
        repeat {
            var released = 0
            while released < held.count, held[released].token <= tokenDurable {
                let output = held[released].output
                released += 1
                switch output {
                case .action(let action): actions.append(action)
                case .local(let body): handle(body, from: id, now: now)
                }
            }
            held.removeFirst(released)
        } while beginAttempt(now)
        let result = actions
        actions = []
        return result
    }

    /// Hands records to the disk; what is held from now on waits for them.
    mutating func persist(_ records: [MetadataRecord]) {
        tokenIssued += 1
        actions.append(.persist(token: tokenIssued, records))
    }

    mutating func hold(_ output: Output) { held.append((tokenIssued, output)) }

    mutating func send(_ body: MetadataMessage.Body, to peer: NodeID) {
        if peer == id {
            hold(.local(body))
        } else {
            let message = MetadataMessage(identity: metadata.identity, body)
            hold(.action(.send(message, to: peer)))
        }
    }

    mutating func fail(_ request: MetadataRequestID, _ failure: MetadataFailure) {
        hold(.action(.failed(request, failure)))
    }

    /// Whether a message is of this cluster: a node that knows none yet takes a snapshot of any, and
    /// is told one.
    private func isOurs(_ message: MetadataMessage) -> Bool {
        if stopReason != nil { return false }
        if message.identity == metadata.identity { return metadata.identity != nil }
        switch message.body {
        case .snapshot(let snapshot):
            return metadata.identity == nil && snapshot.identity == message.identity
        case .fetch: return message.identity == nil
        default: return false
        }
    }

    /// A random number from 0 to `bound`.
    mutating func random(upTo bound: Int64) -> Int64 {
        randomState &+= 0x9e37_79b9_7f4a_7c15
        var z = randomState
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        z ^= z >> 31
        return Int64(z % UInt64(bound + 1))
    }

    /// Longer on some voters than on others, so that not all of them finish an entry at once.
    var recoveryDelay: Int64 {
        let place = metadata.voters.firstIndex(of: id) ?? 0
        return settings.recoveryDelay * Int64(2 + place) / 2
    }
}

/// The last decided entries, for nodes that are behind.
struct MetadataTail: Sendable {
    private(set) var entries: [MetadataEntry]
    private var sizes: [Int]
    /// The epoch of the last entry; of the state, if there are no entries.
    private(set) var last: UInt64

    init(entries: [MetadataEntry], last: UInt64) {
        self.entries = entries
        self.last = last
        sizes = entries.map(\.encoded.count)
    }

    mutating func append(_ entry: MetadataEntry, _ settings: MetadataGroup.Settings) {
        entries.append(entry)
        sizes.append(entry.encoded.count)
        last += 1
        trim(settings)
    }

    mutating func trim(_ settings: MetadataGroup.Settings) {
        var bytes = sizes.reduce(0, +)
        var drop = 0
        while drop < entries.count,
            entries.count - drop > settings.tailEntriesMax || bytes > settings.tailBytesMax
        {
            bytes -= sizes[drop]
            drop += 1
        }
        entries.removeFirst(drop)
        sizes.removeFirst(drop)
    }

    /// What follows an epoch, as much as fits in a message; nil if it isn't kept any more.
    func entries(after epoch: UInt64, _ settings: MetadataGroup.Settings) -> [MetadataEntry]? {
        let first = last - UInt64(entries.count)
        guard epoch >= first, epoch < last else { return nil }
        var end = Int(epoch - first)
        let start = end
        var bytes = 0
        while end < entries.count, end - start < settings.messageEntriesMax,
            end == start || bytes + sizes[end] <= settings.messageBytesMax
        {
            bytes += sizes[end]
            end += 1
        }
        return Array(entries[start..<end])
    }
}
