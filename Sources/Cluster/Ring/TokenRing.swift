// SPDX-License-Identifier: Apache-2.0

package import Model

/// Which node owns which tokens now: a value made from the records of the metadata log.
///
/// A token's owner is the node with the next token, itself included; behind the last token the ring
/// begins anew. A node owns tokens while it is normal, leaving or moving.
package struct TokenRing: Sendable {
    /// A node that owns tokens.
    package struct Node: Hashable, Sendable {
        package let id: NodeID
        package let location: NodeLocation
    }

    /// The nodes that own tokens, in order of their ids.
    package let nodes: [Node]
    /// The tokens that are owned, ascending.
    package let tokens: [Token]
    /// The owner of each of `tokens`: an index of `nodes`.
    let owners: [Int]

    /// - Parameter records: all nodes, in any order. If two of them claim one token, which the metadata
    ///   log doesn't let happen, the smaller id has it.
    package init(_ records: [NodeRecord]) {
        let members = records.filter { $0.state.ownsTokens && !$0.tokens.isEmpty }
            .sorted { $0.id < $1.id }
        nodes = members.map { Node(id: $0.id, location: $0.location) }
        var owned: [(token: Token, owner: Int)] = []
        for (owner, member) in members.enumerated() {
            for token in member.tokens { owned.append((token, owner)) }
        }
        owned.sort { ($0.token, $0.owner) < ($1.token, $1.owner) }
        var tokens: [Token] = []
        var owners: [Int] = []
        tokens.reserveCapacity(owned.count)
        owners.reserveCapacity(owned.count)
        for entry in owned where entry.token != tokens.last {
            tokens.append(entry.token)
            owners.append(entry.owner)
        }
        self.tokens = tokens
        self.owners = owners
    }

    /// Whether nobody owns anything.
    package var isEmpty: Bool { tokens.isEmpty }

    /// The node that owns `token`: its first replica under SimpleStrategy.
    ///
    /// Nil in an empty ring.
    package func owner(of token: Token) -> NodeID? {
        guard !tokens.isEmpty else { return nil }
        let index = tokens.firstIndexAtLeast(token)
        return nodes[owners[index == tokens.count ? 0 : index]].id
    }

    /// The tokens of a node, ascending; none if it owns none.
    package func tokens(of id: NodeID) -> [Token] {
        guard let node = nodes.firstIndex(where: { $0.id == id }) else { return [] }
        return tokens.indices.filter { owners[$0] == node }.map { tokens[$0] }
    }

    /// What a node owns itself, in token order and without gaps between neighbors: from behind the
    /// token before each of its own up to its own.
    ///
    /// The range over the ring's end is two.
    package func primaryRanges(of id: NodeID) -> [TokenRange] {
        guard let node = nodes.firstIndex(where: { $0.id == id }) else { return [] }
        var ranges: [TokenRange] = []
        for (range, owner) in spans where owner == node { ranges.appendMerging(range) }
        return ranges
    }

    /// Every token's run with its owner, in token order; the run over the ring's end is two.
    var spans: [(range: TokenRange, owner: Int)] {
        guard let last = tokens.last, let lastOwner = owners.last else { return [] }
        var spans: [(range: TokenRange, owner: Int)] = []
        spans.reserveCapacity(tokens.count + 1)
        var first = Token.min
        for (token, owner) in zip(tokens, owners) {
            spans.append((TokenRange(first, token), owner))
            first = token.next
        }
        // Behind the last token comes the first one's owner.
        if last != .max { spans.append((TokenRange(last.next, .max), owners.first ?? lastOwner)) }
        return spans
    }
}

extension Token {
    /// The token that follows; the smallest one behind the largest.
    var next: Token { Token(value &+ 1) }
}

extension TokenRange {
    /// The number of its tokens as a part of all of them, from 0 to 1.
    package var fraction: Double {
        (Double(last.biased - first.biased) + 1) / 18_446_744_073_709_551_616
    }
}

extension Array where Element == Token {
    /// The index of the first token that is at least `token`, in an ascending array; `count` if all are
    /// smaller.
    func firstIndexAtLeast(_ token: Token) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < token { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Array where Element == TokenRange {
    /// Appends a range that lies behind all others; one that follows the last without a gap is joined
    /// with it.
    mutating func appendMerging(_ range: TokenRange) {
        if let last, last.last != .max, last.last.next == range.first {
            self[count - 1] = TokenRange(last.first, range.last)
        } else {
            append(range)
        }
    }
}
