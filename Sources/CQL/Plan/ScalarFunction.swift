// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model

/// The outside world as functions like `now()` see it.
struct FunctionContext: Sendable {
    /// The environment's, which outlives every request. Not counted: all shards would count it at once.
    unowned(unsafe) let random: any RandomSource
    /// Microseconds since 1970.
    let microseconds: Int64
}

/// A function of one row's values, or of none.
enum ScalarFunction: Hashable, Sendable {
    case uuid, now, currentTimestamp, currentDate, currentTime
    case minTimeuuid, maxTimeuuid
    /// To a date, timestamp or Unix milliseconds (bigint) from the type, which `unspecified` leaves
    /// open until the argument is known.
    case toDate(CQLType?), toTimestamp(CQLType?), toUnixTimestamp(CQLType?)
    case asBlob(CQLType), fromBlob(CQLType)
    /// Of the values of a partition key.
    case token(isComposite: Bool)

    private static let byName: [String: (function: ScalarFunction, arguments: Int)] = [
        "uuid": (.uuid, 0), "now": (.now, 0), "currenttimeuuid": (.now, 0),
        "current_timeuuid": (.now, 0), "currenttimestamp": (.currentTimestamp, 0),
        "current_timestamp": (.currentTimestamp, 0), "currentdate": (.currentDate, 0),
        "current_date": (.currentDate, 0), "currenttime": (.currentTime, 0),
        "current_time": (.currentTime, 0), "mintimeuuid": (.minTimeuuid, 1),
        "min_timeuuid": (.minTimeuuid, 1), "maxtimeuuid": (.maxTimeuuid, 1),
        "max_timeuuid": (.maxTimeuuid, 1), "todate": (.toDate(nil), 1),
        "to_date": (.toDate(nil), 1), "totimestamp": (.toTimestamp(nil), 1),
        "to_timestamp": (.toTimestamp(nil), 1), "dateof": (.toTimestamp(.timeuuid), 1),
        "tounixtimestamp": (.toUnixTimestamp(nil), 1),
        "to_unix_timestamp": (.toUnixTimestamp(nil), 1),
        "unixtimestampof": (.toUnixTimestamp(.timeuuid), 1),
    ]

    /// The function of a name; nil if there is none with so many arguments.
    static func named(_ name: String, arguments: Int) -> ScalarFunction? {
        let lower = name.lowercased()
        if let found = byName[lower] { return found.arguments == arguments ? found.function : nil }
        guard arguments == 1 else { return nil }
        for suffix in ["asblob", "_as_blob"] where lower.hasSuffix(suffix) {
            return CQLType.scalars[String(lower.dropLast(suffix.count))].map { .asBlob($0) }
        }
        for prefix in ["blobas", "blob_as_"] where lower.hasPrefix(prefix) {
            if let type = CQLType.scalars[String(lower.dropFirst(prefix.count))] {
                return .fromBlob(type)
            }
        }
        return nil
    }

    /// The type of the result.
    var resultType: CQLType {
        switch self {
        case .uuid: .uuid
        case .now, .minTimeuuid, .maxTimeuuid: .timeuuid
        case .currentTimestamp, .toTimestamp: .timestamp
        case .currentDate, .toDate: .date
        case .currentTime: .time
        case .toUnixTimestamp, .token: .bigint
        case .asBlob: .blob
        case .fromBlob(let type): type
        }
    }

    /// This function if its result may stand where `type` is wanted.
    func result(for type: CQLType) -> ScalarFunction? {
        resultType.isAssignable(to: type) ? self : nil
    }

    /// The type of an argument; a function over several types takes what the term says by itself.
    func argumentType(_ index: Int, of term: Term) throws(CQLError) -> CQLType {
        switch self {
        case .minTimeuuid, .maxTimeuuid: return .timestamp
        case .asBlob(let type): return type
        case .fromBlob: return .blob
        case .toDate(let type?), .toTimestamp(let type?), .toUnixTimestamp(let type?): return type
        case .toDate, .toTimestamp, .toUnixTimestamp:
            switch term.form {
            case .call(let call):
                let name = call.name.name.name
                let inner = ScalarFunction.named(name, arguments: call.arguments.count)
                if let inner { return inner.resultType }
            case .typeHint(let hint, _): return try hint.resolved()
            case .marker:
                throw .invalid("\(term.position) Ambiguous call to function \(title): use type hints"
                    + " to say which of its signatures is meant, as in (timestamp)?")
            case .literal(let literal) where literal.kind == .integer: return .timestamp
            case .literal(let literal) where literal.kind == .string:
                if case .toTimestamp = self { return .date }
                return .timestamp
            default: break
            }
            return .timeuuid
        case .uuid, .now, .currentTimestamp, .currentDate, .currentTime, .token:
            throw .invalid("the function takes no arguments")
        }
    }

    /// The name in messages.
    var title: String {
        switch self {
        case .uuid: "uuid"
        case .now: "now"
        case .currentTimestamp: "current_timestamp"
        case .currentDate: "current_date"
        case .currentTime: "current_time"
        case .minTimeuuid: "min_timeuuid"
        case .maxTimeuuid: "max_timeuuid"
        case .toDate: "to_date"
        case .toTimestamp: "to_timestamp"
        case .toUnixTimestamp: "to_unix_timestamp"
        case .asBlob(let type): "\(type)asblob"
        case .fromBlob(let type): "blobas\(type)"
        case .token: "token"
        }
    }

    /// Refuses selectors of types that the function doesn't take.
    func check(_ types: [CQLType], _ position: SourcePosition) throws(CQLError) {
        guard let type = types.first else { return }
        let isFitting: Bool
        let wanted: String
        switch self {
        case .minTimeuuid, .maxTimeuuid:
            (isFitting, wanted) = (type == .timestamp || type == .bigint, "timestamp")
        case .asBlob(let from): (isFitting, wanted) = (type.isAssignable(to: from), "\(from)")
        case .fromBlob: (isFitting, wanted) = (type.isAssignable(to: .blob), "blob")
        case .toDate, .toTimestamp, .toUnixTimestamp:
            isFitting = [.timeuuid, .timestamp, .date, .bigint].contains(type)
            wanted = "timeuuid, timestamp or date"
        default: return
        }
        guard isFitting else {
            throw .invalid("\(position) Type error: the argument of \(title) must be of type"
                + " \(wanted), but it is of type \(type)")
        }
    }

    /// The same function over arguments of these types (for selectors, whose types are known).
    func resolved(_ types: [CQLType]) -> ScalarFunction {
        guard let type = types.first else { return self }
        switch self {
        case .toDate(nil): return .toDate(type)
        case .toTimestamp(nil): return .toTimestamp(type)
        case .toUnixTimestamp(nil): return .toUnixTimestamp(type)
        default: return self
        }
    }

    /// Calls the function; null for null.
    func call(_ arguments: [[UInt8]?], _ context: FunctionContext) throws(CQLError) -> [UInt8]? {
        let milliseconds = context.microseconds / 1000
        switch self {
        case .uuid:
            return UUID(random: context.random.next(), context.random.next()).bytes
        case .now:
            return TimeUUID.make(
                microseconds: context.microseconds,
                clockAndNode: context.random.next()
            ).bytes
        case .currentTimestamp: return ValueCoding.timestamp(milliseconds: milliseconds)
        case .currentDate: return Self.date(milliseconds)
        case .currentTime:
            let day: Int64 = 86_400_000_000
            let time = ((context.microseconds % day) + day) % day
            return ValueCoding.time(nanoseconds: time * 1000)
        default: break
        }
        if case .token(let isComposite) = self { return Self.token(arguments, isComposite) }
        guard let argument = arguments.first ?? nil else { return nil }
        return try convert(argument)
    }

    /// Calls a function whose result depends on nothing but its one argument.
    func convert(_ argument: [UInt8]) throws(CQLError) -> [UInt8]? {
        switch self {
        case .minTimeuuid, .maxTimeuuid:
            guard let time = argument.withView({ Int64(cql: $0) }) else { return nil }
            let isMin = self == .minTimeuuid
            return TimeUUID.bound(milliseconds: time, isMin: isMin).bytes
        case .toDate(let type): return Self.milliseconds(argument, type).map { Self.date($0) }
        case .toTimestamp(let type):
            return Self.milliseconds(argument, type).map { ValueCoding.timestamp(milliseconds: $0) }
        case .toUnixTimestamp(let type):
            return Self.milliseconds(argument, type).map { ValueCoding.int64($0) }
        case .fromBlob(let type):
            if let reason = argument.withView({ type.validate($0) }) {
                throw .invalid(
                    "In call to function system.\(title), value \(argument.withView { CQLType.blob.display($0) }) is not a"
                        + " valid binary representation for type \(type): \(reason)"
                )
            }
            return argument
        default: return argument
        }
    }

    private static func token(_ values: [[UInt8]?], _ isComposite: Bool) -> [UInt8]? {
        var key = ByteWriter(capacity: 32)
        for value in values {
            guard let value else { return nil }
            value.withView { view in
                if isComposite {
                    Key.appendCompositePart(view, to: &key)
                } else {
                    key.append(view)
                }
            }
        }
        return ValueCoding.int64(Model.Token(partitionKey: key.view).value)
    }

    private static func date(_ milliseconds: Int64) -> [UInt8] {
        let day: Int64 = 86_400_000
        let days = milliseconds >= 0 ? milliseconds / day : (milliseconds - day + 1) / day
        return ValueCoding.date(days: Int32(truncatingIfNeeded: days))
    }

    /// The moment that a timeuuid, timestamp or date means, in milliseconds since 1970.
    private static func milliseconds(_ value: [UInt8], _ type: CQLType?) -> Int64? {
        value.withView { view in
            switch type {
            case .timestamp, .bigint: return Int64(cql: view)
            case .date:
                guard view.count == 4 else { return nil }
                let days = Int64(view.loadBigEndian(0, as: UInt32.self)) - (1 << 31)
                return days * 86_400_000
            default: return UUID(view).map { TimeUUID.milliseconds($0) }
            }
        }
    }
}

/// Version 1 UUIDs: 60 bits of time in units of 100 ns since 1582-10-15 (RFC 9562, section 5.1).
enum TimeUUID {
    private static let epochOffset: Int64 = 0x01B2_1DD2_1381_4000

    /// A UUID of a moment, told apart from others by 62 random bits.
    static func make(microseconds: Int64, clockAndNode: UInt64) -> UUID {
        // The multicast bit marks a node id that is random.
        let low = (clockAndNode & ~(3 << 62)) | (2 << 62) | (1 << 40)
        return UUID(high: high(ticks: microseconds &* 10 &+ epochOffset), low: low)
    }

    /// The least or greatest timeuuid of a millisecond, as timeuuids are compared.
    static func bound(milliseconds: Int64, isMin: Bool) -> UUID {
        let ticks = milliseconds &* 10_000 &+ epochOffset &+ (isMin ? 0 : 9_999)
        return UUID(high: high(ticks: ticks), low: isMin ? 0x8080_8080_8080_8080 : 0x7F7F_7F7F_7F7F_7F7F)
    }

    /// The moment of a version 1 UUID, in milliseconds since 1970.
    static func milliseconds(_ uuid: UUID) -> Int64 {
        let timeLow = uuid.high >> 32
        let timeMiddle = (uuid.high >> 16) & 0xFFFF
        let timeHigh = uuid.high & 0x0FFF
        let ticks = Int64(bitPattern: timeHigh << 48 | timeMiddle << 32 | timeLow)
        return (ticks - epochOffset) / 10_000
    }

    private static func high(ticks: Int64) -> UInt64 {
        let bits = UInt64(bitPattern: ticks)
        return (bits & 0xFFFF_FFFF) << 32 | ((bits >> 32) & 0xFFFF) << 16 | 0x1000
            | ((bits >> 48) & 0x0FFF)
    }
}
