// SPDX-License-Identifier: Apache-2.0

package import Model

/// Chooses the tokens of a joining node so that all nodes of its data center own about the same.
///
/// Only the new node's tokens can be chosen; nobody else's change. Two proposals are made, each several
/// times: take from whoever owns most in the whole data center, or within the node's rack (with as many
/// racks as replicas, each rack keeps all rows, and only its own nodes share them). The best is then
/// improved by moving one token at a time as long as that helps, for a number of tries that gets
/// smaller as the ring gets larger. What is minimized is the variance of the effective ownership, and
/// with less weight that of the tokens' own ranges.
package struct TokenAllocator {
    /// The ring of the node's data center as it will be when all that is under way is finished.
    private let ring: AllocationRing
    /// Biased tokens that somebody has, had a moment ago, or will have, in any data center.
    private var taken: Set<UInt64>
    private let count: Int

    /// Tokens for one node: `count` different ones that nobody has, ascending.
    ///
    /// - Parameters:
    ///   - count: at least 1.
    ///   - location: where the node stands.
    ///   - factor: the replicas that matter in its data center, at least 1.
    ///   - nodes: all records of the metadata log; the new node isn't among them or has no tokens.
    ///   - generator: the same numbers give the same tokens.
    package static func allocate(
        _ count: Int,
        for location: NodeLocation,
        factor: Int,
        among nodes: [NodeRecord],
        using generator: inout some RandomNumberGenerator
    ) -> [Token] {
        var allocator = TokenAllocator(count, location, factor, nodes)
        return allocator.allocate(using: &generator).map { Token(biased: $0) }
    }

    private init(_ count: Int, _ location: NodeLocation, _ factor: Int, _ nodes: [NodeRecord]) {
        self.count = max(count, 1)
        ring = AllocationRing(TokenRing(nodes.completed), location, max(factor, 1))
        // The smallest token is no key's; it stands for the start of the ring.
        taken = [Token.min.biased]
        for node in nodes where node.state != .left {
            taken.formUnion(node.tokens.map(\.biased))
            taken.formUnion(node.pendingTokens.map(\.biased))
        }
    }

    private static let proposalCount = 8

    private mutating func allocate(using generator: inout some RandomNumberGenerator) -> [UInt64] {
        // At most about half a million tokens looked at, whatever the ring's size, but for huge ones.
        let tries = min(max(500_000 / (ring.size + count), 16), 1_000)
        var best: (tokens: [UInt64], cost: Double)?
        for attempt in 0..<min(Self.proposalCount, tries) {
            let tokens = propose(withinRack: attempt % 2 == 0, using: &generator)
            let cost = ring.cost(adding: tokens)
            if cost < best?.cost ?? .infinity { best = (tokens, cost) }
        }
        guard var (tokens, cost) = best else { return [] }
        for _ in 0..<tries {
            let index = Int.random(in: tokens.indices, using: &generator)
            guard let moved = moved(tokens[index], tokens, using: &generator) else { continue }
            var candidate = tokens
            candidate[index] = moved
            candidate.sort()
            let candidateCost = ring.cost(adding: candidate)
            if candidateCost < cost { (tokens, cost) = (candidate, candidateCost) }
        }
        return tokens
    }

    /// A free place: one time in two near by, else in one of the wider gaps.
    private func moved(
        _ token: UInt64,
        _ tokens: [UInt64],
        using generator: inout some RandomNumberGenerator
    ) -> UInt64? {
        let place: UInt64
        if Bool.random(using: &generator) || ring.size == 0 {
            let reach = UInt64.max / UInt64(ring.size + count) / 2
            place = token &+ UInt64.random(in: 0...(2 * reach), using: &generator) &- reach
        } else {
            let gaps = (0..<3).map { _ in ring.randomGap(using: &generator) }
            guard let gap = gaps.max(by: { $0.width < $1.width }), gap.width > 1 else { return nil }
            place = gap.start &+ UInt64.random(in: 1..<gap.width, using: &generator)
        }
        return taken.contains(place) || tokens.contains(place) ? nil : place
    }

    /// Tokens that take the new node's share from those who have most.
    private func propose(
        withinRack: Bool,
        using generator: inout some RandomNumberGenerator
    ) -> [UInt64] {
        var gaps = ring.gaps(withinRack: withinRack)
        var tokens: [UInt64] = []
        guard !gaps.isEmpty else {
            // The first one: evenly, from anywhere.
            let start = UInt64.random(in: .min ... .max, using: &generator)
            let step = UInt64.max / UInt64(count)
            for index in 0..<count { tokens.append(free(start &+ step &* UInt64(index), tokens)) }
            return tokens.sorted()
        }
        var owned: [Int: Double] = [:]
        for gap in gaps { owned[gap.owner, default: 0] += Double(gap.width) }
        let share = 18_446_744_073_709_551_616 / Double(owned.count + 1) / Double(count)
        for _ in 0..<count {
            // Whoever has most now; of its gaps one of the widest, and not one that has been cut.
            let most = owned.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
            let candidates = gaps.indices.filter { gaps[$0].owner == most }
                .sorted { (gaps[$0].rank, $0) > (gaps[$1].rank, $1) }
            guard let most, let widest = candidates.first else { break }
            let chosen = candidates.prefix(3).randomElement(using: &generator) ?? widest
            let gap = gaps[chosen]
            let jitter = Double.random(in: 0.8...1.2, using: &generator)
            let width = min(share * jitter, Double(gap.width) * 0.75)
            let token = free(gap.start &+ UInt64(width), tokens)
            tokens.append(token)
            owned[most, default: 0] -= width
            gaps[chosen].start = token
            gaps[chosen].width = gap.width - min(token &- gap.start, gap.width)
            gaps[chosen].isCut = true
        }
        return tokens.sorted()
    }

    /// The next token from `token` on that nobody has.
    private func free(_ token: UInt64, _ tokens: [UInt64]) -> UInt64 {
        var token = token
        while taken.contains(token) || tokens.contains(token) { token &+= 1 }
        return token
    }
}

/// A run of tokens that one token stands for.
struct AllocationGap {
    /// The token before it, which isn't part of it.
    var start: UInt64
    /// Up to and with its own token.
    ///
    /// A single token's run, which is all of them, is one short.
    var width: UInt64
    let owner: Int
    var isCut = false

    /// By what gaps are preferred: those that weren't cut, then the wider ones.
    var rank: Double { isCut ? Double(width) / 4_294_967_296 : Double(width) }
}

/// A data center's part of the ring, and the ownership that follows when tokens are added.
struct AllocationRing {
    private let tokens: [UInt64]
    private let owners: [Int]
    /// For each node the number of its rack; the new node's comes last.
    private let racks: [Int]
    private let rackCount: Int
    private let factor: Int

    init(_ ring: TokenRing, _ location: NodeLocation, _ factor: Int) {
        let members = ring.nodes.indices.filter {
            ring.nodes[$0].location.dataCenter == location.dataCenter
        }
        var numbers: [Int: Int] = [:]
        for (number, member) in members.enumerated() { numbers[member] = number }
        var tokens: [UInt64] = []
        var owners: [Int] = []
        for (token, owner) in zip(ring.tokens, ring.owners) {
            guard let number = numbers[owner] else { continue }
            tokens.append(token.biased)
            owners.append(number)
        }
        self.tokens = tokens
        self.owners = owners
        self.factor = factor
        let rackNames = members.map { ring.nodes[$0].location.rack } + [location.rack]
        let sorted = Set(rackNames).sorted()
        racks = rackNames.map { name in sorted.firstIndex(of: name) ?? 0 }
        rackCount = sorted.count
    }

    /// How many tokens there are.
    var size: Int { tokens.count }

    /// The new node's number.
    private var newcomer: Int { racks.count - 1 }

    private func gap(_ index: Int) -> AllocationGap {
        let before = tokens[index == 0 ? tokens.count - 1 : index - 1]
        let width = tokens.count == 1 ? UInt64.max : tokens[index] &- before
        return AllocationGap(start: before, width: width, owner: owners[index])
    }

    /// The run of a token chosen at random.
    ///
    /// There is at least one token.
    func randomGap(using generator: inout some RandomNumberGenerator) -> AllocationGap {
        gap(Int.random(in: tokens.indices, using: &generator))
    }

    /// The runs of all tokens, or of those in the new node's rack as if it had no others.
    func gaps(withinRack: Bool) -> [AllocationGap] {
        guard withinRack else { return tokens.indices.map { gap($0) } }
        let inside = tokens.indices.filter { racks[owners[$0]] == racks[newcomer] }
        return inside.indices.map { position in
            let before = tokens[inside[position == 0 ? inside.count - 1 : position - 1]]
            let token = tokens[inside[position]]
            let width = inside.count == 1 ? UInt64.max : token &- before
            return AllocationGap(start: before, width: width, owner: owners[inside[position]])
        }
    }

    /// How unevenly tokens are owned if the new node gets `added` (ascending): 0 is even.
    func cost(adding added: [UInt64]) -> Double {
        let (allTokens, allOwners) = merged(added)
        var primary = Array(repeating: 0.0, count: racks.count)
        var effective = primary
        var nodeTaken = Array(repeating: -1, count: racks.count)
        var rackTaken = Array(repeating: -1, count: rackCount)
        let replicasMax = min(factor, racks.count)
        let count = allTokens.count
        for index in 0..<count {
            let before = allTokens[index == 0 ? count - 1 : index - 1]
            let width = Double(count == 1 ? UInt64.max : allTokens[index] &- before)
            primary[allOwners[index]] += width
            var missing = replicasMax
            var repeats = factor - rackCount
            var place = index
            var steps = 0
            while missing > 0, steps < count {
                let node = allOwners[place]
                place = place + 1 == count ? 0 : place + 1
                steps += 1
                if nodeTaken[node] == index { continue }
                if rackTaken[racks[node]] == index {
                    if repeats <= 0 { continue }
                    repeats -= 1
                }
                nodeTaken[node] = index
                rackTaken[racks[node]] = index
                effective[node] += width
                missing -= 1
            }
        }
        return Self.variance(effective) + Self.variance(primary) / 4
    }

    private func merged(_ added: [UInt64]) -> ([UInt64], [Int]) {
        var allTokens: [UInt64] = []
        var allOwners: [Int] = []
        allTokens.reserveCapacity(tokens.count + added.count)
        allOwners.reserveCapacity(tokens.count + added.count)
        var next = 0
        for index in tokens.indices {
            while next < added.count, added[next] < tokens[index] {
                allTokens.append(added[next])
                allOwners.append(newcomer)
                next += 1
            }
            allTokens.append(tokens[index])
            allOwners.append(owners[index])
        }
        while next < added.count {
            allTokens.append(added[next])
            allOwners.append(newcomer)
            next += 1
        }
        return (allTokens, allOwners)
    }

    /// The variance over the squared mean.
    private static func variance(_ values: [Double]) -> Double {
        let sum = values.reduce(0, +)
        let squares = values.reduce(0) { $0 + $1 * $1 }
        return sum == 0 ? 0 : squares * Double(values.count) / (sum * sum) - 1
    }
}
