// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What is proposed for a partition: a mutation, as bytes that mean nothing here.
///
/// Whoever finishes another's proposal proposes the same value under a ballot of its own; the
/// mutation keeps its timestamps, so that to apply it twice is to apply it once.
package struct PaxosValue: Hashable, Sendable {
    /// The ballot of the attempt that made the value: tells whose it is.
    package let origin: Ballot
    /// None: nothing is changed; proposed only to end all earlier attempts.
    package let bytes: [UInt8]

    package init(origin: Ballot, bytes: [UInt8]) {
        self.origin = origin
        self.bytes = bytes
    }

    package var isEmpty: Bool { bytes.isEmpty }
}

/// A value under the ballot with which it was proposed.
package struct PaxosVote: Hashable, Sendable {
    package let ballot: Ballot
    package let value: PaxosValue

    package init(ballot: Ballot, value: PaxosValue) {
        self.ballot = ballot
        self.value = value
    }
}

/// What a replica keeps of a partition for Paxos; durable before any answer that follows from it.
package struct PaxosState: Hashable, Sendable {
    /// Nothing under an earlier ballot is promised or accepted; at least every ballot below.
    package var promised: Ballot?
    /// The latest promise to an attempt that may propose a value of its own, which a read never does.
    package var promisedWrite: Ballot?
    /// Accepted, and not known to be decided.
    package var accepted: PaxosVote?
    /// The last that was decided, as far as known here; its mutation is applied here. The bytes are
    /// kept, since whoever proposes next must first bring it to a majority.
    package var committed: PaxosVote?

    package init() {}

    /// Whether nothing was ever promised.
    package var isFresh: Bool { promised == nil && committed == nil }

    /// Whether the state may be forgotten: everything in it is from before `floor` and nothing is
    /// unfinished.
    ///
    /// - Parameter floor: Microseconds since 1970. Every mutation decided before has reached all
    ///   replicas (the range is proven in sync up to there), and acceptors refuse ballots before.
    package func mayBeForgotten(before floor: UInt64) -> Bool {
        if hasUnfinished { return false }
        let latest = [promised, accepted?.ballot, committed?.ballot].compactMap { $0 }.max()
        return latest.map { $0.micros < floor } ?? true
    }

    /// Whether a value was accepted here of which nothing more was heard.
    package var hasUnfinished: Bool {
        guard let accepted, !accepted.value.isEmpty else { return false }
        return committed.map { $0.ballot < accepted.ballot } ?? true
    }
}

/// What a replica that promises tells of before the promise.
package struct PaxosPromise: Hashable, Sendable {
    package let accepted: PaxosVote?
    package let committed: PaxosVote?
    package let promisedWrite: Ballot?
    /// What the replica reads of the partition after it has promised: the caller's form.
    package var read: [UInt8]

    package init(
        accepted: PaxosVote? = nil,
        committed: PaxosVote? = nil,
        promisedWrite: Ballot? = nil,
        read: [UInt8] = []
    ) {
        self.accepted = accepted
        self.committed = committed
        self.promisedWrite = promisedWrite
        self.read = read
    }
}

/// Coordinator to replica; partition, table, read command and deadline stand around it.
package enum PaxosRequest: Hashable, Sendable {
    case prepare(Ballot, isRead: Bool)
    case propose(PaxosVote)
    case commit(PaxosVote)
}

/// Replica to coordinator; each names the ballot of the request that it answers.
package enum PaxosAnswer: Hashable, Sendable {
    case promised(Ballot, PaxosPromise)
    /// A later ballot was promised, `by`.
    case rejected(Ballot, by: Ballot)
    case accepted(Ballot)
    case committed(Ballot)

    package var ballot: Ballot {
        switch self {
        case .promised(let ballot, _), .rejected(let ballot, _), .accepted(let ballot),
            .committed(let ballot):
            ballot
        }
    }
}

// MARK: Binary form

private let formatVersion: UInt8 = 1

extension ByteWriter {
    fileprivate mutating func append(_ vote: PaxosVote) {
        append(vote.ballot)
        append(vote.value.origin)
        appendVarint(vote.value.bytes.count)
        append(vote.value.bytes)
    }

    fileprivate mutating func append(optional vote: PaxosVote?) {
        append(vote == nil ? 0 : 1)
        if let vote { append(vote) }
    }
}

extension ByteReader {
    fileprivate mutating func readVote() throws(MalformedBytes) -> PaxosVote {
        let ballot = try readBallot()
        let origin = try readBallot()
        let bytes = try readLengthPrefixed().array
        return PaxosVote(ballot: ballot, value: PaxosValue(origin: origin, bytes: bytes))
    }

    fileprivate mutating func readOptionalVote() throws(MalformedBytes) -> PaxosVote? {
        try readByte() == 0 ? nil : try readVote()
    }

    fileprivate mutating func readPaxosVersion() throws(MalformedBytes) {
        guard try readByte() == formatVersion else {
            throw MalformedBytes(offset: offset - 1, expected: "Paxos format \(formatVersion)")
        }
    }
}

extension PaxosVote {
    /// The vote in binary form.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: value.bytes.count + 48)
        writer.append(formatVersion)
        writer.append(self)
        return writer.array
    }

    /// Reads what `bytes` gave.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        try reader.readPaxosVersion()
        self = try reader.readVote()
    }
}

extension PaxosState {
    /// Appends the state.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        writer.append(optional: promised)
        writer.append(optional: promisedWrite)
        writer.append(optional: accepted)
        writer.append(optional: committed)
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init()
        try reader.readPaxosVersion()
        promised = try reader.readOptionalBallot()
        promisedWrite = try reader.readOptionalBallot()
        accepted = try reader.readOptionalVote()
        committed = try reader.readOptionalVote()
    }
}

extension PaxosRequest {
    /// Appends the request.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        switch self {
        case .prepare(let ballot, let isRead):
            writer.append(isRead ? 2 : 1)
            writer.append(ballot)
        case .propose(let vote):
            writer.append(3)
            writer.append(vote)
        case .commit(let vote):
            writer.append(4)
            writer.append(vote)
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        try reader.readPaxosVersion()
        switch try reader.readByte() {
        case 1: self = .prepare(try reader.readBallot(), isRead: false)
        case 2: self = .prepare(try reader.readBallot(), isRead: true)
        case 3: self = .propose(try reader.readVote())
        case 4: self = .commit(try reader.readVote())
        default: throw MalformedBytes(offset: reader.offset - 1, expected: "a Paxos request")
        }
    }
}

extension PaxosAnswer {
    /// Appends the answer.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        switch self {
        case .promised(let ballot, let promise):
            writer.append(1)
            writer.append(ballot)
            writer.append(optional: promise.accepted)
            writer.append(optional: promise.committed)
            writer.append(optional: promise.promisedWrite)
            writer.appendVarint(promise.read.count)
            writer.append(promise.read)
        case .rejected(let ballot, let by):
            writer.append(2)
            writer.append(ballot)
            writer.append(by)
        case .accepted(let ballot):
            writer.append(3)
            writer.append(ballot)
        case .committed(let ballot):
            writer.append(4)
            writer.append(ballot)
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        try reader.readPaxosVersion()
        let kind = try reader.readByte()
        let ballot = try reader.readBallot()
        switch kind {
        case 1:
            let accepted = try reader.readOptionalVote()
            let committed = try reader.readOptionalVote()
            let promisedWrite = try reader.readOptionalBallot()
            let promise = PaxosPromise(
                accepted: accepted,
                committed: committed,
                promisedWrite: promisedWrite,
                read: try reader.readLengthPrefixed().array
            )
            self = .promised(ballot, promise)
        case 2: self = .rejected(ballot, by: try reader.readBallot())
        case 3: self = .accepted(ballot)
        case 4: self = .committed(ballot)
        default: throw MalformedBytes(offset: reader.offset - 1, expected: "a Paxos answer")
        }
    }
}
