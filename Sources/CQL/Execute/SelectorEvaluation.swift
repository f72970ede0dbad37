// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Computes selectors over the row that a decoder holds.
struct SelectorEvaluator {
    let decoder: RowDecoder
    let functions: FunctionContext
    /// Seconds since 1970, for times to live.
    let now: Int64
    /// The aggregates' results, when they are known.
    var aggregates: [[UInt8]?] = []

    /// Appends the selector's value as [bytes].
    func append(_ selector: Selector, to writer: inout ByteWriter) throws(CQLError) {
        if case .column(let slot) = selector {
            return decoder.appendValue(ofSlot: slot, to: &writer)
        }
        guard let value = try evaluate(selector) else {
            return writer.appendBigEndian(Int32(-1))
        }
        writer.appendBigEndian(Int32(truncatingIfNeeded: value.count))
        writer.append(value)
    }

    /// The selector's value, copied.
    func evaluate(_ selector: Selector) throws(CQLError) -> [UInt8]? {
        switch selector {
        case .column(let slot): return decoder.values[slot]?.array
        case .writeTime(let slot):
            return decoder.times[slot].map { ValueCoding.int64($0.timestamp) }
        case .maxWriteTime(let slot):
            let latest = decoder.elementTimes[slot].map(\.timestamp).max()
                ?? decoder.times[slot]?.timestamp
            return latest.map { ValueCoding.int64($0) }
        case .elementWriteTimes(let slot):
            let times = decoder.elementTimes[slot]
            if times.isEmpty { return nil }
            return ValueCoding.collection(times.map { ValueCoding.int64($0.timestamp) })
        case .elementTimesToLive(let slot): return timesToLive(of: decoder.elementTimes[slot])
        case .timeToLive(let slot):
            guard let time = decoder.times[slot], time.expiry != 0 else { return nil }
            return ValueCoding.int32(Int32(truncatingIfNeeded: max(0, time.expiry - now)))
        case .token: return ValueCoding.int64(decoder.token.value)
        case .call(let function, let arguments):
            var values: [[UInt8]?] = []
            for argument in arguments { values.append(try evaluate(argument)) }
            return try function.call(values, functions)
        case .cast(let inner, let from, let to):
            guard let value = try evaluate(inner) else { return nil }
            return try Cast.convert(value, from: from, to: to)
        case .element(let slot, let type, let key):
            return try element(decoder.values[slot], type, key)
        case .constant(let expression):
            return try expression.evaluate(noBindings).array
        case .aggregate(let index): return aggregates[index]
        }
    }

    /// The times to live of a collection's elements, null for those that don't expire; nil when none
    /// does.
    private func timesToLive(of times: [RowDecoder.CellTime]) -> [UInt8]? {
        guard times.contains(where: { $0.expiry != 0 }) else { return nil }
        var writer = ByteWriter(capacity: 4 + times.count * 8)
        writer.appendBigEndian(Int32(truncatingIfNeeded: times.count))
        for time in times {
            guard time.expiry != 0 else {
                writer.appendBigEndian(Int32(-1))
                continue
            }
            writer.appendBigEndian(Int32(4))
            writer.appendBigEndian(Int32(truncatingIfNeeded: max(0, time.expiry - now)))
        }
        return writer.array
    }

    private var noBindings: Bindings {
        Bindings(values: [], timestamp: functions.microseconds, now: now, functions: functions)
    }

    private func element(
        _ collection: ByteView?,
        _ type: CQLType,
        _ key: Expression
    ) throws(CQLError) -> [UInt8]? {
        guard let collection, let wanted = try key.evaluate(noBindings).array else { return nil }
        switch type {
        case .map(let keyType, _, _):
            return try CQLType.entries(of: collection).first { entry in
                wanted.withView { keyType.compare(entry.key, $0) == 0 }
            }?.value.array
        case .set(let element, _):
            return try CQLType.elements(of: collection).first { value in
                wanted.withView { element.compare(value, $0) == 0 }
            }?.array
        default: return nil
        }
    }
}

/// Conversions of `CAST(x AS type)`.
enum Cast {
    /// Whether values of one type can become values of another.
    static func isPossible(from: CQLType, to: CQLType) -> Bool {
        if from == to { return true }
        switch (from, to) {
        case (_, .text), (_, .ascii): return !from.isCollection
        case (.timestamp, .date), (.date, .timestamp), (.timeuuid, .timestamp), (.timeuuid, .date):
            return true
        default: return from.isNumeric && to.isNumeric && to != .counter
        }
    }

    /// The converted value.
    static func convert(
        _ value: [UInt8],
        from: CQLType,
        to: CQLType
    ) throws(CQLError) -> [UInt8]? {
        if from == to || value.isEmpty { return value }
        switch (from, to) {
        case (_, .text), (_, .ascii):
            return ValueCoding.text(value.withView { from.display($0) })
        case (_, .date): return try ScalarFunction.toDate(from).convert(value)
        case (_, .timestamp): return try ScalarFunction.toTimestamp(from).convert(value)
        default: break
        }
        if from.isInteger, to.isInteger, to != .varint {
            return integer(value, to)
        }
        let text = value.withView { from.display($0) }
        do throws(ValueParseError) {
            return try to.parse(text: to.isInteger ? wholePart(text) : text)
        } catch {
            throw .invalid("cannot cast \(text) from \(from) to \(to): \(error)")
        }
    }

    /// The low bytes of a two's complement number, as a narrowing conversion takes them.
    private static func integer(_ value: [UInt8], _ to: CQLType) -> [UInt8] {
        let width =
            switch to {
            case .tinyint: 1
            case .smallint: 2
            case .int: 4
            default: 8
            }
        if value.count >= width { return Array(value.suffix(width)) }
        let sign: UInt8 = value[0] >= 0x80 ? 0xFF : 0
        return Array(repeating: sign, count: width - value.count) + value
    }

    private static func wholePart(_ text: String) -> String {
        guard text.contains(where: { $0 == "." || $0 == "e" || $0 == "E" }) else { return text }
        guard let number = Double(text), number.isFinite, abs(number) < 9.2e18 else { return text }
        return String(Int64(number))
    }
}

extension CQLType {
    fileprivate var isInteger: Bool {
        switch self {
        case .tinyint, .smallint, .int, .bigint, .counter, .varint: true
        default: false
        }
    }
}
