// SPDX-License-Identifier: Apache-2.0

import Bytes
import Storage
import Testing

/// A small generator, so that every run sees the same numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("Ordered map")
struct OrderedMapTests {
    enum Order: CaseIterable { case random, ascending, descending, clustered }

    @Test("It agrees with a sorted array, both ways and at every bound", arguments: Order.allCases)
    func agreesWithSortedArray(order: Order) throws {
        var random = SplitMix(state: 7)
        var map = OrderedMap(arena: Arena(capacity: 1 << 26))
        var model: [[UInt8]: [UInt8]] = [:]
        for index in 0..<3000 {
            let number: UInt64 =
                switch order {
                case .random: random.next() >> 40
                case .ascending: UInt64(index)
                case .descending: UInt64(100_000 - index)
                case .clustered: random.next() % 700
                }
            // Clustered keys share their first eight bytes, so that whole keys must decide.
            var key: [UInt8] = order == .clustered ? Array("same-partition".utf8) : []
            for shift in stride(from: 56, through: 0, by: -8) {
                key.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
            }
            if number % 5 == 0 { key.removeLast(Int(number % 3)) }
            let value = [UInt8](repeating: UInt8(index & 255), count: index % 40)
            key.withView { keyView in
                value.withView { valueView in
                    let position = map.find(keyView)
                    if position.isValid {
                        map.replaceValue(position, with: valueView)
                    } else {
                        map.insert(keyView, valueView)
                    }
                }
            }
            model[key] = value
        }
        let sorted = model.keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(map.count == sorted.count)
        var forward: [[UInt8]] = []
        var position = map.first
        while position.isValid {
            forward.append(map.key(position).array)
            #expect(map.value(position).array == model[map.key(position).array])
            position = map.next(position)
        }
        #expect(forward == sorted)
        var backward: [[UInt8]] = []
        position = map.last
        while position.isValid {
            backward.append(map.key(position).array)
            position = map.previous(position)
        }
        #expect(backward == sorted.reversed())
        for (index, key) in sorted.enumerated() {
            let after = key + [0]
            after.withView { view in
                let bound = map.lowerBound(view)
                let expected = index + 1 < sorted.count ? sorted[index + 1] : nil
                #expect((bound.isValid ? map.key(bound).array : nil) == expected)
                #expect(map.key(map.lastBefore(view)).array == key)
            }
        }
    }
}
