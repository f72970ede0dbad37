// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Gives terms their types, and collects what the bind markers stand for.
struct ExpressionCompiler {
    let keyspace: String
    let table: String
    /// What each marker stands for, by index; nil until its place is known.
    private(set) var markers: [ColumnSpecification?]
    /// The column or other place that each marker stands for, whatever the marker's own name.
    private(set) var receivers: [String?]
    /// The columns that `token(…)` takes values of.
    var partitionKey: [ColumnSchema] = []

    init(keyspace: String, table: String, markerCount: Int) {
        self.keyspace = keyspace
        self.table = table
        markers = Array(repeating: nil, count: markerCount)
        receivers = Array(repeating: nil, count: markerCount)
    }

    /// The term as a value of `type` for the place `name` (a column or `[limit]` and the like).
    mutating func compile(
        _ term: Term,
        as type: CQLType,
        for name: String
    ) throws(CQLError) -> Expression {
        switch term.form {
        case .null: return .null
        case .marker(let marker):
            note(marker, type, name)
            return type.needsOrdering
                ? .orderedMarker(marker.index, type) : .marker(marker.index, type)
        case .literal(let literal): return .constant(try Self.constant(literal, type, name))
        case .list(let elements): return try compileList(elements, type, name, term)
        case .set(let elements): return try compileSet(elements, type, name, term)
        case .map(let entries): return try compileMap(entries, type, name, term)
        case .tuple(let elements): return try compileTuple(elements, type, name, term)
        case .call(let call): return try compileCall(call, type, name, term)
        case .typeHint(let hint, let inner):
            let hinted = try hint.resolved()
            guard hinted.isAssignable(to: type) else {
                throw .invalid(
                    "\(term.position) cannot assign a value of type \(hinted) to \(name)"
                        + " of type \(type)"
                )
            }
            return try compile(inner, as: hinted, for: name)
        case .negation, .arithmetic: throw .notYet("arithmetic in terms")
        case .cast: throw .notYet("CAST outside of a selection")
        case .userType: throw .notYet("a user-defined type's literal")
        case .column(let column):
            throw .invalid("\(column.position) column '\(column.name)' cannot be used as a value")
        case .field, .element, .slice, .countRows:
            throw .invalid("\(term.position) a selector cannot be used as a value for \(name)")
        }
    }

    /// Takes note of what a marker stands for.
    mutating func note(_ marker: BindMarker, _ type: CQLType, _ name: String) {
        guard marker.index < markers.count else { return }
        receivers[marker.index] = name
        markers[marker.index] = ColumnSpecification(
            keyspace: keyspace,
            table: table,
            name: marker.name ?? name,
            type: type
        )
    }

    // MARK: Literals

    /// The serialized value of a literal.
    static func constant(
        _ literal: Literal,
        _ type: CQLType,
        _ name: String
    ) throws(CQLError) -> [UInt8] {
        guard literal.kind.fits(type) else {
            throw .invalid(
                "\(literal.position) Invalid \(literal.kind.title) constant (\(literal.text))"
                    + " for \"\(name)\" of type \(type)"
            )
        }
        switch (literal.kind, type) {
        case (.string, .text), (.string, .ascii):
            let bytes = [UInt8](literal.text.utf8)
            if type == .ascii, bytes.contains(where: { $0 > 127 }) {
                throw .invalid("\(literal.position) Invalid ASCII character in string literal"
                    + " (for \"\(name)\")")
            }
            if let reason = bytes.withView({ type.validate($0) }) {
                throw .invalid("\(literal.position) \(reason) (for \"\(name)\")")
            }
            return bytes
        case (.integer, .date) where UInt32(literal.text) == nil:
            throw .invalid("\(literal.position) Unable to make unsigned int from"
                + " \"\(literal.text)\" (for \"\(name)\" of type date)")
        default: break
        }
        do throws(ValueParseError) {
            return try type.parse(text: literal.text)
        } catch {
            throw .invalid("\(literal.position) \(error) (for \"\(name)\" of type \(type))")
        }
    }

    // MARK: Collections

    private mutating func compileList(
        _ elements: [Term],
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        guard case .list(let element, _) = type else {
            throw .invalid("\(term.position) invalid list literal for \(name) of type \(type)")
        }
        var compiled: [Expression] = []
        for item in elements {
            compiled.append(try compile(item, as: element, for: "value(\(name))"))
        }
        return .list(compiled)
    }

    private mutating func compileSet(
        _ elements: [Term],
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        if case .map(let key, _, _) = type, elements.isEmpty { return .map([], key) }
        guard case .set(let element, _) = type else {
            throw .invalid("\(term.position) invalid set literal for \(name) of type \(type)")
        }
        var compiled: [Expression] = []
        for item in elements {
            compiled.append(try compile(item, as: element, for: "value(\(name))"))
        }
        return .set(compiled, element)
    }

    private mutating func compileMap(
        _ entries: [MapEntry],
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        guard case .map(let key, let value, _) = type else {
            throw .invalid("\(term.position) invalid map literal for \(name) of type \(type)")
        }
        var compiled: [(key: Expression, value: Expression)] = []
        for entry in entries {
            compiled.append(
                (
                    try compile(entry.key, as: key, for: "key(\(name))"),
                    try compile(entry.value, as: value, for: "value(\(name))")
                )
            )
        }
        return .map(compiled, key)
    }

    private mutating func compileTuple(
        _ elements: [Term],
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        guard case .tuple(let types) = type else {
            if elements.count == 1 { return try compile(elements[0], as: type, for: name) }
            throw .invalid("\(term.position) invalid tuple literal for \(name) of type \(type)")
        }
        guard elements.count <= types.count else {
            throw .invalid(
                "\(term.position) invalid tuple literal for \(name): \(elements.count) elements,"
                    + " but type \(type) has \(types.count)"
            )
        }
        var compiled: [Expression] = []
        for (element, type) in zip(elements, types) {
            compiled.append(try compile(element, as: type, for: name))
        }
        return .tuple(compiled)
    }

    // MARK: Functions

    private mutating func compileCall(
        _ call: FunctionCall,
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        let functionName = call.name.name.name
        guard !["count", "min", "max", "sum", "avg"].contains(functionName.lowercased()) else {
            throw .invalid("\(term.position) Aggregation functions are not supported in the where"
                + " clause or as a value: \(functionName)")
        }
        if functionName == "token" { return try compileToken(call, type, name, term) }
        guard let function = ScalarFunction.named(functionName, arguments: call.arguments.count)
        else { throw .invalid("\(term.position) Unknown function '\(functionName)'") }
        guard let result = function.result(for: type) else {
            throw .invalid(
                "\(term.position) type error: the result of \(functionName) cannot be assigned"
                    + " to \(name) of type \(type)"
            )
        }
        var arguments: [Expression] = []
        var types: [CQLType] = []
        for (index, argument) in call.arguments.enumerated() {
            let argumentType = try result.argumentType(index, of: argument)
            types.append(argumentType)
            arguments.append(
                try compile(argument, as: argumentType, for: "arg\(index)(\(functionName))")
            )
        }
        return .call(result.resolved(types), arguments)
    }

    /// `token(…)` of values: the token that they have as a partition key.
    private mutating func compileToken(
        _ call: FunctionCall,
        _ type: CQLType,
        _ name: String,
        _ term: Term
    ) throws(CQLError) -> Expression {
        let function = ScalarFunction.token(isComposite: partitionKey.count > 1)
        guard let result = function.result(for: type) else {
            throw .invalid(
                "\(term.position) type error: the result of token cannot be assigned to \(name)"
                    + " of type \(type)"
            )
        }
        guard call.arguments.count == partitionKey.count else {
            throw .invalid(
                "\(term.position) Invalid number of arguments in call to function token:"
                    + " \(partitionKey.count) required but \(call.arguments.count) provided"
            )
        }
        var arguments: [Expression] = []
        for (argument, column) in zip(call.arguments, partitionKey) {
            arguments.append(try compile(argument, as: column.type, for: column.name))
        }
        return .call(result, arguments)
    }
}

extension Literal.Kind {
    /// The name of the kind of constant in messages.
    var title: String {
        switch self {
        case .string: "STRING"
        case .integer: "INTEGER"
        case .float: "FLOAT"
        case .boolean: "BOOLEAN"
        case .duration: "DURATION"
        case .uuid: "UUID"
        case .blob: "HEX"
        }
    }

    /// Whether a constant written this way can be a value of `type`.
    func fits(_ type: CQLType) -> Bool {
        switch (self, type) {
        case (.string, .text), (.string, .ascii), (.string, .timestamp), (.string, .date),
            (.string, .time), (.string, .inet):
            true
        case (.integer, .tinyint), (.integer, .smallint), (.integer, .int), (.integer, .bigint),
            (.integer, .varint), (.integer, .decimal), (.integer, .float), (.integer, .double),
            (.integer, .counter), (.integer, .timestamp), (.integer, .date), (.integer, .time):
            true
        case (.float, .float), (.float, .double), (.float, .decimal): true
        case (.boolean, .boolean), (.duration, .duration), (.blob, .blob): true
        case (.uuid, .uuid), (.uuid, .timeuuid): true
        default: false
        }
    }
}

extension CQLType {
    /// Whether a value of this type may stand where `other` is wanted.
    func isAssignable(to other: CQLType) -> Bool {
        if self == other || frozen == other.frozen { return true }
        switch (self, other) {
        case (.ascii, .text), (.timeuuid, .uuid): return true
        case (_, .blob): return !isCollection
        default: return false
        }
    }
}

extension TypeReference {
    /// The type that is meant.
    func resolved(isInFrozen: Bool = false) throws(CQLError) -> CQLType {
        switch form {
        case .scalar(let type): return type
        case .list(let element):
            return .list(try element.element(isInFrozen), frozen: isInFrozen)
        case .set(let element):
            return .set(try element.element(isInFrozen), frozen: isInFrozen)
        case .map(let key, let value):
            return .map(
                try key.element(isInFrozen),
                try value.element(isInFrozen),
                frozen: isInFrozen
            )
        case .tuple(let elements):
            var types: [CQLType] = []
            for element in elements { types.append(try element.resolved(isInFrozen: true)) }
            return .tuple(types)
        case .frozen(let inner):
            let type = try inner.resolved(isInFrozen: true)
            guard type.isCollection || type.frozen != type || inner.isTuple else {
                throw .invalid(
                    "\(position) frozen<> is only allowed on collections, tuples, and user-defined"
                        + " types (got \(type))"
                )
            }
            return type
        case .vector: throw .notYet("the type vector")
        case .named(let name):
            throw .invalid("\(position) Unknown type \(name.name.name); user-defined types aren't"
                + " supported by this version of Tholos yet")
        case .custom(let name): throw .notYet("the custom type '\(name)'")
        }
    }

    private var isTuple: Bool {
        if case .tuple = form { return true }
        return false
    }

    /// The type of an element: collections inside of others must be frozen.
    private func element(_ isInFrozen: Bool) throws(CQLError) -> CQLType {
        let type = try resolved(isInFrozen: isInFrozen)
        if type == .counter { throw .invalid("\(position) counters are not allowed inside collections") }
        if type.isMultiCell {
            throw .invalid(
                "\(position) Non-frozen collections are not allowed inside collections: \(type)"
            )
        }
        return type
    }
}
