// SPDX-License-Identifier: Apache-2.0

package import Cluster
internal import Environment
package import Model

/// What operators ask of a member; all answers come on the control executor.
extension ClusterMember {
    /// What gossip knows of a node.
    package struct Endpoint: Sendable {
        package let state: EndpointState
        package let isAlive: Bool
    }

    /// What gossip knows, this node included, in order of the ids.
    package func endpoints(done: @escaping @Sendable ([Endpoint]) -> Void) {
        control.execute { [self] in
            let gossiper = gossip.gossiper
            done(
                gossiper.states.map { state in
                    let isAlive = state.id == id || gossiper.isAlive(state.id)
                    return Endpoint(state: state, isAlive: isAlive)
                }
            )
        }
    }

    /// Leaves the cluster: gives all data to the others; `done` is called with nil when they own everything.
    ///
    /// - Parameter force: even if keyspaces will have fewer replicas than they want.
    package func decommission(force: Bool, done: @escaping @Sendable (String?) -> Void) {
        control.execute { [self] in
            if group.metadata.node(id)?.state == .leaving {
                membership.onLeft.append(done)
                return
            }
            carryOut(.startLeave(id, force: force)) { [self] failure in
                if let failure { return done(failure) }
                membership.onLeft.append(done)
                tickMembership()
            }
        }
    }

    /// Gives this node other tokens; `done` is called with nil when it owns them.
    ///
    /// - Parameter tokens: sorted, as many as there are to be; none that another node owns. If empty, as many as now,
    ///   such that all nodes own about the same.
    package func move(to tokens: [Token], done: @escaping @Sendable (String?) -> Void) {
        control.execute { [self] in
            let tokens = tokens.isEmpty ? allocateTokens() : tokens
            carryOut(.startMove(id, tokens: tokens)) { [self] failure in
                if let failure { return done(failure) }
                membership.onMoved.append((tokens, done))
                // It may be over by now.
                endMovement()
                tickMembership()
            }
        }
    }

    /// Gives up a join, a leave or a move that hasn't handed its ranges over yet, as one that waits for a node that is
    /// lost; `done` is called with nil when all is as it was before.
    package func abort(_ other: NodeID, done: @escaping @Sendable (String?) -> Void) {
        control.execute { [self] in
            guard let record = group.metadata.node(other) else { return done("there is no node \(other)") }
            switch record.state {
            case .joining: carryOut(.abortJoin(other), done)
            case .leaving: carryOut(.abortLeave(other), done)
            case .moving: carryOut(.abortMove(other), done)
            case .registered, .normal, .left:
                done("node \(other) is \(record.state): nothing is under way that could be given up")
            }
        }
    }

    /// Fetches all rows of this node's ranges from a quorum of their replicas, in each data center; `done` is called with
    /// what was fetched, or why it wasn't.
    ///
    /// - Parameter keyspace: only this one; all that have replicas if nil.
    package func rebuild(
        keyspace: String?,
        done: @escaping @Sendable (RangeTransfer.Progress, String?) -> Void
    ) {
        transfer(.fetch, "rebuild", keyspace: keyspace, { [id] in $0.ranges(of: id) }, done)
    }

    /// Wishes a change; `done` is called with nil when it is decided, or with what stands against it.
    private func carryOut(_ change: MetadataChange, _ done: @escaping @Sendable (String?) -> Void) {
        propose(change) { result in
            switch result {
            case .success: done(nil)
            case .failure(let failure): done(Self.sentence(failure))
            }
        }
    }

    /// Removes a node that is down for good: what it had the others get from each other; `done` is called with nil
    /// when it is gone.
    package func removeNode(_ other: NodeID, done: @escaping @Sendable (String?) -> Void) {
        control.execute { [self] in
            guard let record = group.metadata.node(other) else { return done("there is no node \(other)") }
            guard other != id else {
                return done("this is the node itself; it leaves by decommission")
            }
            guard !gossip.gossiper.isAlive(other) else {
                return done("node \(other) is up; it leaves by a decommission of its own")
            }
            switch record.state {
            case .leaving: finishRemoval(of: other, done)
            case .normal:
                carryOut(.startLeave(other, force: true)) { [self] failure in
                    if let failure { return done(failure) }
                    finishRemoval(of: other, done)
                }
            case .registered, .joining, .moving, .left:
                carryOut(.remove(other), done)
            }
        }
    }

    private func finishRemoval(of other: NodeID, _ done: @escaping @Sendable (String?) -> Void) {
        if group.metadata.node(other)?.isHandedOver == true { return endRemoval(of: other, done) }
        whenAdopted { [self] in
            let transfer = RangeTransfer(member: self, purpose: .handOver) { $0.ranges(of: other) }
            note(transfer, "removal of \(other)")
            transfer.start { [self] failure in
                control.execute { [self] in
                    forget(transfer)
                    if let failure { return done(failure) }
                    carryOut(.handOver(other)) { [self] failure in
                        if let failure { return done(failure) }
                        endRemoval(of: other, done)
                    }
                }
            }
        }
    }

    /// Waits until enough nodes know that the ranges are handed over.
    private func endRemoval(of other: NodeID, _ done: @escaping @Sendable (String?) -> Void) {
        guard !isStopped else { return done(Self.sentence(.stopped)) }
        guard let record = group.metadata.node(other), record.state == .leaving else { return done(nil) }
        guard isFenced(record) else {
            return control.schedule(after: 500_000_000) { [self] in endRemoval(of: other, done) }
        }
        carryOut(.finishLeave(other), done)
    }

    /// Compares the replicas of this node's ranges and gives each what it lacks; `done` is called with what was
    /// done, or why it wasn't.
    ///
    /// - Parameters:
    ///   - keyspace: only this one; all that have replicas if nil.
    ///   - primaryOnly: only the ranges of which this node is the first replica.
    ///   - part: only the tokens in it.
    package func repair(
        keyspace: String?,
        tables: [String],
        primaryOnly: Bool,
        within part: TokenRange = .all,
        done: @escaping @Sendable (RangeTransfer.Progress, String?) -> Void
    ) {
        transfer(.repair, "repair", keyspace: keyspace, tables: tables, { [id] map in
            let ranges = primaryOnly ? map.primaryRanges(of: id) : map.ranges(of: id)
            return ranges.compactMap { $0.intersection(part) }
        }, done)
    }

    /// What became of scheduled repairs.
    package func repairCounts(done: @escaping @Sendable (RepairCounts) -> Void) {
        control.execute { [self] in done(repairs.counts) }
    }

    func transfer(
        _ purpose: RangeTransfer.Purpose,
        _ name: String,
        keyspace: String?,
        tables: [String] = [],
        isGentle: Bool = false,
        _ ranges: @escaping @Sendable (ReplicaMap) -> [TokenRange],
        _ done: @escaping @Sendable (RangeTransfer.Progress, String?) -> Void
    ) {
        control.execute { [self] in
            whenAdopted { [self] in
                let transfer = RangeTransfer(
                    member: self,
                    purpose: purpose,
                    keyspace: keyspace,
                    tables: tables,
                    isGentle: isGentle,
                    ranges: ranges
                )
                note(transfer, name)
                transfer.start { [self] failure in
                    control.execute { [self] in
                        forget(transfer)
                        done(transfer.progress, failure)
                    }
                }
            }
        }
    }

    /// The transfers that run, by what they are for.
    package func transfers(
        done: @escaping @Sendable ([(purpose: String, progress: RangeTransfer.Progress)]) -> Void
    ) {
        control.execute { [self] in
            var all = membership.running.map { ($0.purpose, $0.transfer.progress) }
            if membership.isBusy, let transfer = membership.transfer {
                let state = group.metadata.node(id)?.state
                all.append((state == .leaving ? "decommission" : "join", transfer.progress))
            }
            done(all)
        }
    }

    private func note(_ transfer: RangeTransfer, _ purpose: String) {
        membership.running.append((purpose, transfer))
    }

    private func forget(_ transfer: RangeTransfer) {
        membership.running.removeAll { $0.transfer === transfer }
    }
}
