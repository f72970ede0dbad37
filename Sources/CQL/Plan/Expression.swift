// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// A term with its type known: what remains is to put in the values of a request.
indirect enum Expression: Sendable {
    case null
    case constant([UInt8])
    /// A bind marker by its index; the type checks what comes.
    case marker(Int, CQLType)
    /// A bind marker for a type with sets or maps inside that are one value: they are put in order.
    case orderedMarker(Int, CQLType)
    /// A field of a tuple.
    case field(Expression, Int)
    case list([Expression])
    /// Elements that are put in the type's order, without doubles.
    case set([Expression], CQLType)
    case map([(key: Expression, value: Expression)], CQLType)
    case tuple([Expression])
    case call(ScalarFunction, [Expression])
}

/// What an expression gave. A view lives as long as the request's values.
enum Evaluated {
    case bytes([UInt8])
    case view(ByteView)
    case null
    case unset

    /// Calls `body` with the bytes; nil for null and unset.
    func withView<R, E: Error>(_ body: (ByteView?) throws(E) -> R) throws(E) -> R {
        switch self {
        case .bytes(let bytes):
            return try bytes.withView { (view) throws(E) -> R in try body(view) }
        case .view(let view): return try body(view)
        case .null, .unset: return try body(nil)
        }
    }

    /// A copy of the bytes; nil for null and unset.
    var array: [UInt8]? { withView { $0?.array } }

    var isUnset: Bool {
        if case .unset = self { return true }
        return false
    }
}

/// What a request brings along: its values by marker and its time.
struct Bindings {
    /// The value of each bind marker.
    let values: [BoundValue]
    /// The write timestamp unless the statement says another, in microseconds since 1970.
    let timestamp: Int64
    /// The time for expiry, in seconds since 1970.
    let now: Int64
    /// Random bits and the clock for functions like `uuid()`.
    let functions: FunctionContext
}

extension Expression {
    /// The value under `bindings`.
    func evaluate(_ bindings: borrowing Bindings) throws(CQLError) -> Evaluated {
        switch self {
        case .null: return .null
        case .constant(let bytes): return .bytes(bytes)
        case .marker(let index, let type):
            guard index < bindings.values.count else {
                throw .invalid("a value is missing for bind marker \(index + 1)")
            }
            switch bindings.values[index] {
            case .null: return .null
            case .unset: return .unset
            case .value(let view):
                if let reason = type.validate(view) { throw .invalid(reason) }
                return .view(view)
            }
        case .orderedMarker(let index, let type):
            let value = try Expression.marker(index, type).evaluate(bindings)
            guard case .view(let view) = value else { return value }
            return .bytes(try type.ordered(view))
        case .field(let tuple, let index): return try Self.field(index, of: tuple, bindings)
        case .list(let elements):
            return .bytes(ValueCoding.collection(try Self.required(elements, bindings, "list")))
        case .set(let elements, let type):
            let values = try Self.required(elements, bindings, "set")
            return .bytes(ValueCoding.collection(Self.sortedUnique(values, type)))
        case .map(let entries, let keyType):
            return .bytes(try Self.map(entries, keyType, bindings))
        case .tuple(let fields):
            var values: [[UInt8]?] = []
            for field in fields { values.append(try field.evaluate(bindings).array) }
            return .bytes(ValueCoding.tuple(values))
        case .call(let function, let arguments):
            var values: [[UInt8]?] = []
            for argument in arguments { values.append(try argument.evaluate(bindings).array) }
            guard let result = try function.call(values, bindings.functions) else { return .null }
            return .bytes(result)
        }
    }

    private static func field(
        _ index: Int,
        of tuple: Expression,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> Evaluated {
        let value = try tuple.evaluate(bindings)
        if value.isUnset { return .unset }
        return try value.withView { (view) throws(CQLError) -> Evaluated in
            guard let view else { return .null }
            var reader = ElementReader(tuple: view)
            do throws(MalformedBytes) {
                var skipped = 0
                while !reader.isAtEnd {
                    let field = try reader.next()
                    if skipped == index { return field.map { .bytes($0.array) } ?? .null }
                    skipped += 1
                }
            } catch {
                throw .invalid("malformed tuple: \(error)")
            }
            return .null
        }
    }

    private static func required(
        _ elements: [Expression],
        _ bindings: borrowing Bindings,
        _ kind: String
    ) throws(CQLError) -> [[UInt8]] {
        var values: [[UInt8]] = []
        values.reserveCapacity(elements.count)
        for element in elements {
            let evaluated = try element.evaluate(bindings)
            if evaluated.isUnset { throw .invalid("unset value is not supported in a \(kind)") }
            guard let value = evaluated.array else {
                throw .invalid("null is not supported inside collections (in a \(kind))")
            }
            values.append(value)
        }
        return values
    }

    static func sortedUnique(_ values: [[UInt8]], _ type: CQLType) -> [[UInt8]] {
        let sorted = values.sorted { type.compare($0, $1) < 0 }
        var unique: [[UInt8]] = []
        for value in sorted where unique.last.map({ type.compare($0, value) != 0 }) ?? true {
            unique.append(value)
        }
        return unique
    }

    private static func map(
        _ entries: [(key: Expression, value: Expression)],
        _ keyType: CQLType,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [UInt8] {
        let keys = try required(entries.map(\.key), bindings, "map")
        let values = try required(entries.map(\.value), bindings, "map")
        var sorted: [(key: [UInt8], value: [UInt8])] = []
        for (key, value) in zip(keys, values) { sorted.append((key, value)) }
        return ValueCoding.map(sortedUnique(sorted, keyType))
    }

    /// Entries in the keys' order; of a key that is given twice, the last counts.
    static func sortedUnique(
        _ entries: [(key: [UInt8], value: [UInt8])],
        _ type: CQLType
    ) -> [(key: [UInt8], value: [UInt8])] {
        let sorted = entries.enumerated().sorted { a, b in
            let order = type.compare(a.element.key, b.element.key)
            return order != 0 ? order < 0 : a.offset < b.offset
        }
        var unique: [(key: [UInt8], value: [UInt8])] = []
        for (_, entry) in sorted {
            if let last = unique.last, type.compare(last.key, entry.key) == 0 { unique.removeLast() }
            unique.append(entry)
        }
        return unique
    }
}

extension CQLType {
    /// `compare` of owned values.
    func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withView { a in b.withView { b in compare(a, b) } }
    }

    /// Whether values have sets or maps inside (or are such), whose order the client may have wrong.
    var hasOrderedParts: Bool {
        switch self {
        case .set, .map: true
        case .list(let element, _): element.hasOrderedParts
        case .tuple(let types): types.contains(where: \.hasOrderedParts)
        default: false
        }
    }

    /// Whether a value that comes with a request must be put in order: cells are sorted anyway.
    var needsOrdering: Bool {
        guard isMultiCell else { return hasOrderedParts }
        switch self {
        case .set(let element, _), .list(let element, _): return element.hasOrderedParts
        case .map(let key, let value, _): return key.hasOrderedParts || value.hasOrderedParts
        default: return false
        }
    }

    /// The value with its sets and maps in order, without doubles.
    func ordered(_ value: ByteView) throws(CQLError) -> [UInt8] {
        switch self {
        case .set(let element, _):
            var values: [[UInt8]] = []
            for view in try CQLType.elements(of: value) { values.append(try element.ordered(view)) }
            return ValueCoding.collection(Expression.sortedUnique(values, element))
        case .list(let element, _) where element.hasOrderedParts:
            var values: [[UInt8]] = []
            for view in try CQLType.elements(of: value) { values.append(try element.ordered(view)) }
            return ValueCoding.collection(values)
        case .map(let keyType, let valueType, _):
            var entries: [(key: [UInt8], value: [UInt8])] = []
            for entry in try CQLType.entries(of: value) {
                entries.append((try keyType.ordered(entry.key), try valueType.ordered(entry.value)))
            }
            return ValueCoding.map(Expression.sortedUnique(entries, keyType))
        case .tuple(let types) where hasOrderedParts:
            var fields: [[UInt8]?] = []
            var reader = ElementReader(tuple: value)
            do throws(MalformedBytes) {
                for type in types where !reader.isAtEnd {
                    guard let field = try reader.next() else {
                        fields.append(nil)
                        continue
                    }
                    fields.append(try? type.ordered(field))
                }
            } catch {
                throw .invalid("malformed tuple: \(error)")
            }
            return ValueCoding.tuple(fields)
        default: return value.array
        }
    }

    /// The serialized values inside of a list or set.
    static func elements(of collection: ByteView) throws(CQLError) -> [ByteView] {
        do throws(MalformedBytes) {
            var reader = try ElementReader(collection: collection)
            var elements: [ByteView] = []
            while !reader.isAtEnd {
                guard let element = try reader.next() else {
                    throw MalformedBytes(offset: 0, expected: "no null inside of a collection")
                }
                elements.append(element)
            }
            return elements
        } catch {
            throw .invalid("malformed collection: \(error)")
        }
    }

    /// The serialized keys and values inside of a map.
    static func entries(of map: ByteView) throws(CQLError) -> [(key: ByteView, value: ByteView)] {
        do throws(MalformedBytes) {
            var reader = try ElementReader(map: map)
            var entries: [(key: ByteView, value: ByteView)] = []
            while !reader.isAtEnd {
                guard let key = try reader.next(), let value = try reader.next() else {
                    throw MalformedBytes(offset: 0, expected: "no null inside of a map")
                }
                entries.append((key, value))
            }
            return entries
        } catch {
            throw .invalid("malformed map: \(error)")
        }
    }
}

extension CQLError {
    /// The statement can't be executed as it is (code 0x2200).
    static func invalid(_ message: String) -> CQLError { CQLError(.invalid, message) }

    /// Something that this version of Tholos doesn't have.
    static func notYet(_ what: String) -> CQLError {
        CQLError(.invalid, "\(what) isn't supported by this version of Tholos yet")
    }
}
