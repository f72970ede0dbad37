// SPDX-License-Identifier: Apache-2.0

import Simulator
import Testing

/// The checkers, on histories that were written by hand: good ones and bad ones.
@Suite struct CheckerTests {
    typealias Register = ConditionalRegister

    /// `(input, output, called, returned)`.
    private func verdict(
        _ history: [(Register.Input, Register.Output?, UInt64, UInt64?)]
    ) -> Linearizability.Verdict {
        Linearizability.check(
            Register.self,
            history.map { HistoryOperation($0.0, $0.1, called: $0.2, returned: $0.3) }
        )
    }

    @Test func operationsInSequenceAreLinearizable() {
        #expect(verdict([]) == .linearizable)
        #expect(
            verdict([
                (.read, .value(nil), 1, 2),
                (.insert(1), .applied, 3, 4),
                (.insert(2), .refused(1), 5, 6),
                (.update(from: 1, to: 2), .applied, 7, 8),
                (.update(from: 1, to: 3), .refused(2), 9, 10),
                (.delete(from: 2), .applied, 11, 12),
                (.read, .value(nil), 13, 14),
            ]) == .linearizable
        )
    }

    @Test func concurrentOperationsTakeTheOrderThatFits() {
        #expect(
            verdict([
                (.insert(1), .applied, 1, 10),
                (.read, .value(nil), 2, 9),
                (.read, .value(1), 3, 5),
                (.update(from: 1, to: 2), .applied, 4, 6),
                (.read, .value(2), 11, 12),
            ]) == .linearizable
        )
    }

    @Test func staleReadIsFound() {
        #expect(
            verdict([
                (.insert(1), .applied, 1, 2),
                (.update(from: 1, to: 2), .applied, 3, 4),
                (.read, .value(1), 5, 6),
            ]) == .violated
        )
    }

    @Test func twoWinnersAreFound() {
        #expect(
            verdict([
                (.insert(1), .applied, 1, 10),
                (.insert(2), .applied, 2, 9),
            ]) == .violated
        )
    }

    @Test func readsThatGoBackAreFound() {
        // The write is under way all the time, but once seen it has happened.
        #expect(
            verdict([
                (.insert(1), .applied, 1, 10),
                (.read, .value(1), 2, 3),
                (.read, .value(nil), 4, 5),
            ]) == .violated
        )
    }

    @Test func unansweredWriteMayHappenLateOrNever() {
        #expect(
            verdict([
                (.insert(1), nil, 1, nil),
                (.read, .value(nil), 5, 6),
                (.read, .value(1), 7, 8),
            ]) == .linearizable
        )
        #expect(
            verdict([(.insert(1), nil, 1, nil), (.insert(2), .applied, 5, 6)]) == .linearizable
        )
        // Once it has been seen it stays.
        #expect(
            verdict([
                (.insert(1), nil, 1, nil),
                (.read, .value(1), 5, 6),
                (.read, .value(nil), 7, 8),
            ]) == .violated
        )
    }

    @Test func refusalMustFitWhatIsThere() {
        #expect(verdict([(.insert(1), .applied, 1, 2), (.insert(2), .refused(3), 3, 4)]) == .violated)
        #expect(verdict([(.delete(from: 1), .refused(nil), 1, 2)]) == .linearizable)
        #expect(verdict([(.delete(from: 1), .applied, 1, 2)]) == .violated)
    }

    @Test func searchGivesUpWhereItIsTold() {
        let history = (0..<30).map { number in
            HistoryOperation<Register.Input, Register.Output>(
                .insert(Int64(number)),
                nil,
                called: 1,
                returned: nil
            )
        }
        let read = HistoryOperation<Register.Input, Register.Output>(
            .read,
            .value(99),
            called: 2,
            returned: 3
        )
        let verdict = Linearizability.check(Register.self, history + [read], stepsMax: 50)
        #expect(verdict == .undecided)
    }

    @Test func twoCreationsWithoutDropAreFound() {
        let create = { (done: Bool, called: UInt64) in
            HistoryOperation<Existence.Input, Bool>(.create, done, called: called, returned: called + 1)
        }
        let drop = HistoryOperation<Existence.Input, Bool>(.drop, true, called: 3, returned: 4)
        #expect(Linearizability.check(Existence.self, [create(true, 1), create(true, 5)]) == .violated)
        #expect(
            Linearizability.check(Existence.self, [create(true, 1), drop, create(true, 5)])
                == .linearizable
        )
        #expect(Linearizability.check(Existence.self, [create(false, 1)]) == .violated)
    }

    @Test func registerKnowsWhatMayBeRead() {
        var register = VersionedRegister()
        register.begin(10, at: 1)
        register.acknowledge(10, at: 3)
        register.begin(20, at: 4)
        #expect(register.fault(reading: 10, called: 5, returned: 6) == nil)
        #expect(register.fault(reading: 20, called: 5, returned: 6) == nil)
        #expect(register.fault(reading: nil, called: 2, returned: 6) == nil)
        #expect(register.fault(reading: nil, called: 3, returned: 6) != nil)
        #expect(register.fault(reading: 15, called: 5, returned: 6) != nil)
        #expect(register.fault(reading: 20, called: 2, returned: 3) != nil)
        register.acknowledge(20, at: 7)
        #expect(register.fault(reading: 10, called: 8, returned: 9) != nil)
        // A read that began before the second write was acknowledged may still miss it.
        #expect(register.fault(reading: 10, called: 6, returned: 9) == nil)
    }

    @Test func laterAcknowledgementOfAnEarlierWriteChangesNothing() {
        var register = VersionedRegister()
        register.begin(10, at: 1)
        register.begin(20, at: 1)
        register.acknowledge(20, at: 2)
        register.acknowledge(10, at: 3)
        #expect(register.floor(at: 4) == 20)
        #expect(register.fault(reading: 10, called: 4, returned: 5) != nil)
    }

    @Test func setKnowsWhatMustAndMustNotBeThere() {
        var set = ElementHistory()
        set.beginAdd(1, at: 1)
        set.acknowledgeAdd(1, at: 2)
        set.beginAdd(2, at: 3)
        #expect(set.faults(reading: [1], called: 4, returned: 5) == [])
        #expect(set.faults(reading: [1, 2], called: 4, returned: 5) == [])
        #expect(set.faults(reading: [], called: 4, returned: 5) == ["1 was added and is gone"])
        #expect(set.faults(reading: [1, 7], called: 4, returned: 5) == ["7 was read and never added"])
        set.beginRemove(1, at: 6)
        #expect(set.faults(reading: [], called: 5, returned: 7) == [])
        #expect(set.faults(reading: [1], called: 5, returned: 7) == [])
        set.acknowledgeRemove(1, at: 8)
        #expect(
            set.faults(reading: [1], called: 9, returned: 10) == ["1 was deleted and has come back"]
        )
        #expect(set.faults(reading: [1], called: 7, returned: 10) == [])
    }

    @Test func removalOfManyReachesWhatIsStillBeingAdded() {
        var set = ElementHistory()
        set.beginAdd(1, at: 1)
        set.beginRemove(upTo: 3, at: 2)
        set.acknowledgeAdd(1, at: 3)
        #expect(set.present == [])
        #expect(set.faults(reading: [], called: 4, returned: 5) == [])
    }
}
