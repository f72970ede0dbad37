// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Model

// The binary form of the metadata, its entries, messages and records on disk: numbers as varints,
// texts and lists with their length before them, one byte for the kind of a thing.
// What is read may be hostile: every count is checked against the bytes that are left, or a limit,
// before memory is taken.

private let formatVersion: UInt8 = 1

extension ByteWriter {
    fileprivate mutating func append(text: String) {
        let bytes = Array(text.utf8)
        appendVarint(bytes.count)
        append(bytes)
    }

    fileprivate mutating func append(uuid: UUID) {
        appendBigEndian(uuid.high)
        appendBigEndian(uuid.low)
    }

    fileprivate mutating func append(node: NodeID) { append(uuid: node.uuid) }

    fileprivate mutating func append(tokens: [Token]) {
        appendVarint(tokens.count)
        for token in tokens { appendBigEndian(token.value) }
    }

    fileprivate mutating func append(address: NodeAddress) {
        append(UInt8(address.ip.count))
        append(address.ip)
        appendBigEndian(address.port)
    }

    fileprivate mutating func append(optional node: NodeID?) {
        append(node == nil ? 0 : 1)
        if let node { append(node: node) }
    }

    fileprivate mutating func append(request: MetadataRequestID) {
        append(node: request.proposer)
        appendBigEndian(request.number)
    }

    fileprivate mutating func append(ballot: MetadataBallot) {
        appendVarint(ballot.round)
        append(node: ballot.proposer)
    }

    fileprivate mutating func append(vote: MetadataVote?) {
        append(vote == nil ? 0 : 1)
        guard let vote else { return }
        append(ballot: vote.ballot)
        vote.entry.encode(to: &self)
    }
}

extension ByteReader {
    fileprivate mutating func readText() throws(MalformedBytes) -> String {
        String(decoding: try readLengthPrefixed().buffer, as: UTF8.self)
    }

    fileprivate mutating func readUUID() throws(MalformedBytes) -> UUID {
        let high: UInt64 = try readBigEndian()
        return UUID(high: high, low: try readBigEndian())
    }

    fileprivate mutating func readNode() throws(MalformedBytes) -> NodeID {
        NodeID(try readUUID())
    }

    fileprivate mutating func readFlag() throws(MalformedBytes) -> Bool {
        let byte = try readByte()
        guard byte <= 1 else { throw MalformedBytes(offset: offset - 1, expected: "0 or 1") }
        return byte == 1
    }

    fileprivate mutating func readTokens() throws(MalformedBytes) -> [Token] {
        let count = try readCount(max: min(remaining / 8, MetadataLimits.tokensMax))
        var tokens: [Token] = []
        tokens.reserveCapacity(count)
        for _ in 0..<count { tokens.append(Token(try readBigEndian())) }
        return tokens
    }

    fileprivate mutating func readAddress() throws(MalformedBytes) -> NodeAddress {
        let count = try readByte()
        guard count == 4 || count == 16 else {
            throw MalformedBytes(offset: offset - 1, expected: "an IP address of 4 or 16 bytes")
        }
        let ip = try readView(Int(count)).array
        return NodeAddress(ip: ip, port: try readBigEndian())
    }

    fileprivate mutating func readOptionalNode() throws(MalformedBytes) -> NodeID? {
        try readFlag() ? try readNode() : nil
    }

    fileprivate mutating func readNodes(max: Int) throws(MalformedBytes) -> [NodeID] {
        var ids: [NodeID] = []
        for _ in 0..<(try readCount(max: min(remaining / 16, max))) { ids.append(try readNode()) }
        return ids
    }

    fileprivate mutating func readRequest() throws(MalformedBytes) -> MetadataRequestID {
        let proposer = try readNode()
        return MetadataRequestID(proposer: proposer, number: try readBigEndian())
    }

    fileprivate mutating func readMetadataBallot() throws(MalformedBytes) -> MetadataBallot {
        let round = try readVarint()
        // A round from which no other can follow would end all proposing.
        guard round < UInt64.max / 2 else {
            throw MalformedBytes(offset: offset, expected: "a ballot's round")
        }
        return MetadataBallot(round: round, proposer: try readNode())
    }

    fileprivate mutating func readVote() throws(MalformedBytes) -> MetadataVote? {
        guard try readFlag() else { return nil }
        let ballot = try readMetadataBallot()
        return MetadataVote(ballot: ballot, entry: try MetadataEntry(from: &self))
    }

    fileprivate mutating func readVersion() throws(MalformedBytes) {
        let version = try readByte()
        guard version == formatVersion else {
            let expected = "metadata format \(formatVersion), not \(version)"
            throw MalformedBytes(offset: offset - 1, expected: expected)
        }
    }
}

extension NodeRecord {
    /// Appends the record.
    package func encode(to writer: inout ByteWriter) {
        writer.append(node: id)
        writer.append(address: address)
        writer.append(address: clientAddress)
        writer.append(text: location.dataCenter)
        writer.append(text: location.rack)
        writer.append(state.rawValue | (isHandedOver ? Self.handedOverBit : 0))
        writer.append(tokens: tokens)
        writer.append(tokens: pendingTokens)
        writer.append(optional: replaces)
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let id = try reader.readNode()
        let address = try reader.readAddress()
        let clientAddress = try reader.readAddress()
        let dataCenter = try reader.readText()
        let location = NodeLocation(dataCenter: dataCenter, rack: try reader.readText())
        let flags = try reader.readByte()
        guard let state = NodeState(rawValue: flags & ~Self.handedOverBit) else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "a node's state")
        }
        self.init(
            id: id,
            address: address,
            clientAddress: clientAddress,
            location: location,
            state: state,
            tokens: try reader.readTokens(),
            pendingTokens: try reader.readTokens(),
            replaces: try reader.readOptionalNode(),
            isHandedOver: flags & Self.handedOverBit != 0
        )
    }

    private static var handedOverBit: UInt8 { 0x80 }
}

extension MetadataEntry {
    /// The entry in binary form.
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        encode(to: &writer)
        return writer.array
    }

    /// Appends the entry.
    package func encode(to writer: inout ByteWriter) {
        writer.append(request: request)
        change.encode(to: &writer)
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let request = try reader.readRequest()
        self.init(request: request, change: try MetadataChange(from: &reader))
    }
}

extension MetadataChange {
    func encode(to writer: inout ByteWriter) {
        switch self {
        case .schema(let edits, let base, let version):
            writer.append(1)
            writer.appendVarint(base)
            writer.append(uuid: version)
            writer.appendVarint(edits.count)
            for edit in edits { edit.encode(to: &writer) }
        case .register(let node):
            writer.append(2)
            node.encode(to: &writer)
        case .startJoin(let id, let tokens, let replaces):
            writer.append(kind: 3, id)
            writer.append(tokens: tokens)
            writer.append(optional: replaces)
        case .finishJoin(let id): writer.append(kind: 4, id)
        case .abortJoin(let id): writer.append(kind: 5, id)
        case .startLeave(let id, let force):
            writer.append(kind: 6, id)
            writer.append(force ? 1 : 0)
        case .finishLeave(let id): writer.append(kind: 7, id)
        case .abortLeave(let id): writer.append(kind: 8, id)
        case .startMove(let id, let tokens):
            writer.append(kind: 9, id)
            writer.append(tokens: tokens)
        case .finishMove(let id): writer.append(kind: 10, id)
        case .abortMove(let id): writer.append(kind: 11, id)
        case .remove(let id): writer.append(kind: 12, id)
        case .changeAddress(let id, let address, let clientAddress):
            writer.append(kind: 13, id)
            writer.append(address: address)
            writer.append(address: clientAddress)
        case .handOver(let id): writer.append(kind: 15, id)
        case .setVoters(let ids):
            writer.append(14)
            writer.appendVarint(ids.count)
            for id in ids { writer.append(node: id) }
        }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        switch try reader.readByte() {
        case 1:
            let base = try reader.readVarint()
            let version = try reader.readUUID()
            var edits: [SchemaEdit] = []
            for _ in 0..<(try reader.readCount(max: reader.remaining)) {
                edits.append(try SchemaEdit(from: &reader))
            }
            self = .schema(edits, base: base, version: version)
        case 2: self = .register(try NodeRecord(from: &reader))
        case 3:
            self = .startJoin(
                try reader.readNode(),
                tokens: try reader.readTokens(),
                replaces: try reader.readOptionalNode()
            )
        case 4: self = .finishJoin(try reader.readNode())
        case 5: self = .abortJoin(try reader.readNode())
        case 6: self = .startLeave(try reader.readNode(), force: try reader.readFlag())
        case 7: self = .finishLeave(try reader.readNode())
        case 8: self = .abortLeave(try reader.readNode())
        case 9: self = .startMove(try reader.readNode(), tokens: try reader.readTokens())
        case 10: self = .finishMove(try reader.readNode())
        case 11: self = .abortMove(try reader.readNode())
        case 12: self = .remove(try reader.readNode())
        case 13:
            self = .changeAddress(
                try reader.readNode(),
                address: try reader.readAddress(),
                clientAddress: try reader.readAddress()
            )
        case 14: self = .setVoters(try reader.readNodes(max: MetadataLimits.votersMax))
        case 15: self = .handOver(try reader.readNode())
        default:
            throw MalformedBytes(offset: reader.offset - 1, expected: "a change of the metadata")
        }
    }
}

extension ByteWriter {
    fileprivate mutating func append(kind: UInt8, _ node: NodeID) {
        append(kind)
        append(node: node)
    }
}

extension ClusterMetadata {
    /// Appends all of it.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        writer.append(optional: identity.map(NodeID.init))
        writer.appendVarint(epoch)
        writer.appendVarint(schema.epoch)
        writer.append(uuid: schema.version)
        let edits = schema.edits
        writer.appendVarint(edits.count)
        for edit in edits { edit.encode(to: &writer) }
        writer.appendVarint(nodes.count)
        for node in nodes { node.encode(to: &writer) }
        writer.appendVarint(voters.count)
        for voter in voters { writer.append(node: voter) }
        writer.appendVarint(recent.count)
        for request in recent { writer.append(request: request) }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init()
        try reader.readVersion()
        identity = try reader.readOptionalNode()?.uuid
        epoch = try reader.readVarint()
        let schemaEpoch = try reader.readVarint()
        let version = try reader.readUUID()
        var edits: [SchemaEdit] = []
        for _ in 0..<(try reader.readCount(max: reader.remaining)) {
            edits.append(try SchemaEdit(from: &reader))
        }
        schema = Schema(edits: edits, epoch: schemaEpoch, version: version)
        for _ in 0..<(try reader.readCount(max: MetadataLimits.nodesMax)) {
            nodes.append(try NodeRecord(from: &reader))
        }
        voters = try reader.readNodes(max: MetadataLimits.votersMax)
        for _ in 0..<(try reader.readCount(max: MetadataLimits.recentRequests)) {
            recent.append(try reader.readRequest())
        }
        // Epochs are counted up and the requests' epochs counted back.
        guard epoch < UInt64.max / 2, UInt64(recent.count) <= epoch,
            zip(nodes, nodes.dropFirst()).allSatisfy({ $0.id < $1.id })
        else { throw MalformedBytes(offset: reader.offset, expected: "the metadata of an epoch") }
    }
}

extension MetadataMessage {
    /// Appends the message.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        writer.append(optional: identity.map(NodeID.init))
        switch body {
        case .prepare(let slot, let ballot):
            writer.append(1)
            writer.appendVarint(slot)
            writer.append(ballot: ballot)
        case .promise(let slot, let ballot, let accepted):
            writer.append(2)
            writer.appendVarint(slot)
            writer.append(ballot: ballot)
            writer.append(vote: accepted)
        case .accept(let slot, let vote):
            writer.append(3)
            writer.appendVarint(slot)
            writer.append(vote: vote)
        case .accepted(let slot, let ballot):
            writer.append(4)
            writer.appendVarint(slot)
            writer.append(ballot: ballot)
        case .rejected(let slot, let ballot, let promised):
            writer.append(5)
            writer.appendVarint(slot)
            writer.append(ballot: ballot)
            writer.append(ballot: promised)
        case .fetch(let epoch):
            writer.append(6)
            writer.appendVarint(epoch)
        case .entries(let first, let entries, let latest):
            writer.append(7)
            writer.appendVarint(first)
            writer.appendVarint(latest)
            writer.appendVarint(entries.count)
            for entry in entries { entry.encode(to: &writer) }
        case .snapshot(let metadata):
            writer.append(8)
            metadata.encode(to: &writer)
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        try reader.readVersion()
        identity = try reader.readOptionalNode()?.uuid
        switch try reader.readByte() {
        case 1: body = .prepare(slot: try reader.readVarint(), try reader.readMetadataBallot())
        case 2:
            body = .promise(
                slot: try reader.readVarint(),
                try reader.readMetadataBallot(),
                accepted: try reader.readVote()
            )
        case 3:
            let slot = try reader.readVarint()
            guard let vote = try reader.readVote() else {
                throw MalformedBytes(offset: reader.offset, expected: "an entry to accept")
            }
            body = .accept(slot: slot, vote)
        case 4: body = .accepted(slot: try reader.readVarint(), try reader.readMetadataBallot())
        case 5:
            body = .rejected(
                slot: try reader.readVarint(),
                try reader.readMetadataBallot(),
                promised: try reader.readMetadataBallot()
            )
        case 6: body = .fetch(after: try reader.readVarint())
        case 7:
            let first = try reader.readVarint()
            let latest = try reader.readVarint()
            var entries: [MetadataEntry] = []
            for _ in 0..<(try reader.readCount(max: reader.remaining)) {
                entries.append(try MetadataEntry(from: &reader))
            }
            body = .entries(first: first, entries, latest: latest)
        case 8: body = .snapshot(try ClusterMetadata(from: &reader))
        default:
            throw MalformedBytes(
                offset: reader.offset - 1,
                expected: "a message of the metadata log"
            )
        }
    }
}

extension MetadataRecord {
    /// Appends the record.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        switch self {
        case .snapshot(let metadata):
            writer.append(1)
            metadata.encode(to: &writer)
        case .entry(let epoch, let entry):
            writer.append(2)
            writer.appendVarint(epoch)
            entry.encode(to: &writer)
        case .acceptor(let state):
            writer.append(3)
            writer.appendVarint(state.slot)
            writer.appendVarint(state.round)
            writer.append(state.promised == nil ? 0 : 1)
            if let promised = state.promised { writer.append(ballot: promised) }
            writer.append(vote: state.accepted)
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        try reader.readVersion()
        switch try reader.readByte() {
        case 1: self = .snapshot(try ClusterMetadata(from: &reader))
        case 2: self = .entry(epoch: try reader.readVarint(), try MetadataEntry(from: &reader))
        case 3:
            let slot = try reader.readVarint()
            let round = try reader.readVarint()
            let promised = try reader.readFlag() ? try reader.readMetadataBallot() : nil
            let accepted = try reader.readVote()
            guard round < UInt64.max / 2 else {
                throw MalformedBytes(offset: reader.offset, expected: "a ballot's round")
            }
            self = .acceptor(
                MetadataAcceptor(slot: slot, promised: promised, accepted: accepted, round: round)
            )
        default:
            throw MalformedBytes(
                offset: reader.offset - 1,
                expected: "a record of the metadata log"
            )
        }
    }
}
