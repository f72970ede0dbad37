// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
import Synchronization

/// What a read asks: two that ask the same at the same moment get the same answer.
struct ReadQuestion: Hashable, Sendable {
    let statement: StatementID
    /// The state of the schema.
    let epoch: UInt64
    let skipMetadata: Bool
    /// Seconds since 1970.
    let now: Int64
    /// The key of a row; or lower and upper bounds.
    let keys: [[UInt8]]
    var limit = 0
    var perPartitionLimit = 0
    var pageSize = 0
    var pagingState: [UInt8]?
}

/// The reads of a shard that wait for the disk and have seen no row yet: who asks the same meanwhile
/// waits for the answer of the first.
///
/// Such a read is run again from its start when its block is there, and so sees all that was written
/// before anybody joined it. Once it has seen a row, nobody joins it any more.
final class SharedReads: @unchecked Sendable {  // Owner: the shard's executor.
    private var followers: [ReadQuestion: [QueryProcessor.Completion]] = [:]
    private let joined = Atomic(0)

    /// How many reads have joined another. Any thread may ask.
    var joinedCount: Int { joined.load(ordering: .relaxed) }

    /// Makes a read wait for another's answer; false when nobody asks the same.
    func join(_ question: ReadQuestion, _ completion: @escaping QueryProcessor.Completion) -> Bool {
        guard followers[question] != nil else { return false }
        followers[question]?.append(completion)
        joined.add(1, ordering: .relaxed)
        return true
    }

    /// Whether nobody waits.
    var isEmpty: Bool { followers.isEmpty }

    /// From now on others may join a read.
    func open(_ question: ReadQuestion) {
        if followers[question] == nil { followers[question] = [] }
    }

    /// Nobody joins a read any more; those who have.
    func close(_ question: ReadQuestion) -> [QueryProcessor.Completion] {
        followers.removeValue(forKey: question) ?? []
    }
}

extension SelectPlan {
    /// Whether the answer follows from the question: no function is called, and nothing is filtered by
    /// values that the question doesn't name.
    var isShareable: Bool {
        !bindsSelectors && restrictions.filters.isEmpty && !SystemSchema.isVirtual(table)
            && selectors.allSatisfy(\.isPlain)
            && aggregates.allSatisfy { $0.argument?.isPlain ?? true }
    }
}

extension Selector {
    /// Whether it is made of a row's cells alone.
    fileprivate var isPlain: Bool {
        switch self {
        case .call, .constant, .element: false
        case .cast(let inner, _, _): inner.isPlain
        case .column, .writeTime, .timeToLive, .elementWriteTimes, .elementTimesToLive, .maxWriteTime,
            .token, .aggregate:
            true
        }
    }
}
