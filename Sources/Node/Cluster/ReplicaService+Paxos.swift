// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

extension ReplicaService {
    /// What a step of Paxos comes to on the shard, before it is durable.
    private struct Step: Sendable {
        var answer: PaxosAnswer
        /// The new state and what was decided; empty if nothing changes.
        var mutation: [UInt8]
    }

    /// Takes a step of Paxos and answers when what follows from it is durable. On any thread.
    func paxos(
        _ message: PaxosMessage,
        _ terms: RequestTerms,
        done: @escaping @Sendable (Result<PaxosAnswer, RequestFailure>) -> Void
    ) {
        let token = message.partition.withView { Key.token(of: $0) }
        run(on: token, terms, refused: { done(.failure($0)) }) { [node] shard in
            let now = node.environment.clock.secondsSinceEpoch()
            shard.store.read { () throws(RequestFailure) in
                try ReplicaService.step(message, now, on: shard, planted: node.environment.planted)
            } done: { result in
                // The same turn: nothing comes between the state that was read and the one that is written.
                switch result {
                case .failure(let failure): done(.failure(failure))
                case .success(let step):
                    guard !step.mutation.isEmpty else { return done(.success(step.answer)) }
                    step.mutation.withView { view in
                        shard.store.write(view, atOnce: true) { error in
                            if let error { return done(.failure(RequestFailure(error))) }
                            done(.success(step.answer))
                        }
                    }
                }
            }
        }
    }

    private static func step(
        _ message: PaxosMessage,
        _ now: Int64,
        on shard: Shard,
        planted: PlantedBugs
    ) throws(RequestFailure) -> Step {
        guard let table = shard.store.table(storageID: message.storageID) else {
            let text = "the table with the data \(message.storageID) isn't known here"
            throw RequestFailure(.incompatibleSchema, text)
        }
        guard shard.store.hasRoom else {
            throw RequestFailure(.overloaded, "the memtables are full and being flushed; try again")
        }
        do throws(StorageError) {
            var stored = try PaxosStore.read(message.partition, message.storageID, on: shard, now: now)
            if planted.contains(.forgetPromise) { stored.promised = nil }
            let transition = PaxosAcceptor.answer(
                message.request,
                state: stored,
                floor: PaxosStore.floor(of: table.schema, now: now)
            )
            var answer = transition.answer
            if case .promised(let ballot, var promise) = answer {
                var answers: [ReadAnswer] = []
                for read in message.reads {
                    let result = try ReplicaRead.read(ReplicaRead.Run(read), of: table)
                    answers.append(ReadAnswer(result))
                }
                promise.put(answers)
                answer = .promised(ballot, promise)
            }
            let decided = transition.mutation ?? []
            guard let state = transition.state else { return Step(answer: answer, mutation: decided) }
            let mutation = PaxosStore.mutation(
                state,
                after: stored,
                message.partition,
                of: table.schema,
                now: now,
                with: decided
            )
            return Step(answer: answer, mutation: mutation)
        } catch {
            throw RequestFailure(error)
        }
    }
}

extension ReadAnswer {
    init(_ result: ReplicaRead.Result) {
        self.init(
            digest: Digest(result.digest, result.horizon),
            data: Data(
                horizon: result.horizon,
                rowCount: result.rowCount,
                mutation: result.mutation
            )
        )
    }
}
