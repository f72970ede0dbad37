// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@Suite("Validation of serialized values")
struct ValueValidationTests {
    @Test("Values of each type are valid", arguments: RandomValues.types)
    func accepts(type: CQLType) {
        var random = RandomValues(seed: 8)
        for _ in 0..<500 {
            let value = random.value(type)
            #expect(value.withView { type.validate($0) } == nil, "\(value)")
        }
    }

    @Test("No bytes are valid where Cassandra has an empty value")
    func empty() {
        let without: Set<CQLType> = [.tinyint, .smallint, .date, .time, .duration]
        for type in RandomValues.types {
            let isValid = ByteView.empty.validates(type)
            #expect(isValid == !(without.contains(type) || type.isCollection), "\(type)")
        }
    }

    @Test(
        "Bytes that aren't a value are refused",
        arguments: [
            (CQLType.int, [1, 2, 3]), (.bigint, [1]), (.smallint, [1]), (.tinyint, [1, 2]),
            (.boolean, [1, 2]), (.float, [0, 0, 0, 0, 0]), (.double, [0, 0, 0, 0]),
            (.date, [1, 2]),
            (.timestamp, [0, 0, 0, 0]), (.uuid, [1, 2, 3]), (.inet, [1, 2, 3, 4, 5]),
            (.ascii, [0x61, 0x80]), (.decimal, [0, 0, 0]),
            (.text, [0x61, 0xFF]), (.text, [0xC0, 0x80]), (.text, [0xC3]),
            (.text, [0xE0, 0x9F, 0x80]),
            (.text, [0xED, 0xA0, 0x80]), (.text, [0xF0, 0x8F, 0x80, 0x80]),
            (.text, [0xF4, 0x90, 0x80, 0x80]), (.text, [0xE2, 0x82]), (.text, [0x80]),
            (.text, [0xF0, 0x9F, 0xA6, 0x41]), (.text, [0xE2, 0x28, 0xA1]),
            (.time, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            (.time, [0, 0, 0x4E, 0x94, 0x91, 0x4F, 0, 0]),
            (.timeuuid, [UInt8](repeating: 0x40, count: 16)), (.timeuuid, [1]),
            (.duration, [0, 0]), (.duration, [2, 1, 0]), (.duration, [0, 0, 0, 0]),
            (.duration, [0xF8, 1, 0, 0, 0, 0, 0, 0]), (.duration, [0xFF]),
            (.list(.int, frozen: true), [0, 0, 0, 1]),
            (.list(.int, frozen: true), [0, 0, 0, 1, 0, 0, 0, 4, 1, 2, 3]),
            (.list(.int, frozen: true), [0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3]),
            (.list(.int, frozen: true), [0, 0, 0, 0, 1]),
            (.list(.int, frozen: true), [0xFF, 0xFF, 0xFF, 0xFF]),
            (.list(.int, frozen: true), [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]),
            (.list(.int, frozen: true), [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]),
            (.map(.int, .int, frozen: true), [0, 0, 0, 1, 0, 0, 0, 0]),
            (.tuple([.int]), [0, 0, 0, 2, 1, 1]), (.tuple([.int]), [0, 0]),
            (.tuple([.int]), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ] as [(CQLType, [UInt8])]
    )
    func refuses(type: CQLType, bytes: [UInt8]) {
        #expect(bytes.withView { type.validate($0) } != nil)
    }

    @Test("A reason says what was expected")
    func reasons() {
        let three: [UInt8] = [1, 2, 3]
        #expect(three.withView { CQLType.int.validate($0) } == "expected 4 bytes for int but got 3")
        let list = ValueCoding.collection([three])
        #expect(
            list.withView { CQLType.list(.int, frozen: false).validate($0) }
                == "expected 4 bytes for int but got 3 (in list<int>)"
        )
    }

    @Test("UTF-8 is accepted exactly as the standard library accepts it")
    func utf8() {
        var random = RandomValues(seed: 9)
        let choice: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
            0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5,
        ]
        var valid = 0
        for _ in 0..<200_000 {
            let bytes = random.bytes(random.below(6), of: choice)
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            let prefix = [UInt8](repeating: 0x61, count: random.below(12))
            let found = (prefix + bytes).withView { CQLType.text.validate($0) } == nil
            if found != isValid { Issue.record("\(bytes)") }
            if isValid, bytes.contains(where: { $0 >= 0x80 }) { valid += 1 }
        }
        #expect(valid > 100)
    }
}

extension ByteView {
    fileprivate func validates(_ type: CQLType) -> Bool { type.validate(self) == nil }
}
