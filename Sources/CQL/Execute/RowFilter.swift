// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model
internal import Storage

/// A filter with its values known.
struct RowFilter: Sendable {
    enum Test: Sendable {
        /// `=` and `!=`; nil is null, which only conditions of IF may compare with.
        case equal([UInt8]?), notEqual([UInt8]?)
        case compare(Comparison, [UInt8]?)
        case anyOf([[UInt8]?]), noneOf([[UInt8]?])
        case contains([UInt8]), containsKey([UInt8])
        case element(key: [UInt8], Comparison?, [UInt8]?)
        /// `LIKE 'prefix%'`.
        case prefix([UInt8])
    }

    let column: ColumnSchema
    let test: Test
    /// What texts go through before they are compared.
    private let analysis: TermAnalysis?

    /// Puts the values of a request into a filter.
    ///
    /// - Parameter allowsNull: whether null may be compared with, as in IF; in WHERE it may not.
    init(
        _ filter: Filter,
        _ bindings: borrowing Bindings,
        allowsNull: Bool
    ) throws(CQLError) {
        column = filter.column
        analysis = filter.analysis
        let name = column.name
        func value(_ expression: Expression) throws(CQLError) -> [UInt8]? {
            if allowsNull {
                let evaluated = try expression.evaluate(bindings)
                if evaluated.isUnset {
                    throw .invalid("Invalid 'unset' value in condition on \(name)")
                }
                return evaluated.array
            }
            return try expression.required(name, bindings)
        }
        switch filter.test {
        case .equal(let expression): test = .equal(try value(expression))
        case .notEqual(let expression): test = .notEqual(try value(expression))
        case .compare(let comparison, let expression):
            let bytes = try value(expression)
            if bytes == nil {
                throw .invalid("Invalid comparison with null for operator on \(name)")
            }
            test = .compare(comparison, bytes)
        case .in(let expressions):
            var values: [[UInt8]?] = []
            for expression in expressions { values.append(try value(expression)) }
            test = .anyOf(values)
        case .notIn(let expressions):
            var values: [[UInt8]?] = []
            for expression in expressions { values.append(try value(expression)) }
            test = .noneOf(values)
        case .inList(let expression):
            let list = try expression.required(name, bindings)
            test = .anyOf(
                try list.withView { (view) throws(CQLError) in
                    try CQLType.elements(of: view).map(\.array)
                }
            )
        case .contains(let expression):
            test = .contains(try expression.required(name, bindings))
        case .containsKey(let expression):
            test = .containsKey(try expression.required(name, bindings))
        case .like(let expression): test = try Self.like(expression.required(name, bindings), name)
        case .element(let key, let comparison, let expression):
            let key = try key.required(name, bindings)
            test = .element(key: key, comparison, try value(expression))
        }
    }

    /// The test of a pattern: a prefix before `%`, or a whole text.
    private static func like(_ pattern: [UInt8], _ name: String) throws(CQLError) -> Test {
        let percent = UInt8(ascii: "%")
        guard pattern.last == percent else {
            guard !pattern.contains(percent) else { throw unsupported(name) }
            return .equal(pattern)
        }
        let prefix = Array(pattern.dropLast())
        guard !prefix.isEmpty, !prefix.contains(percent) else { throw unsupported(name) }
        return .prefix(prefix)
    }

    private static func unsupported(_ name: String) -> CQLError {
        .invalid("LIKE takes a prefix, as in \(name) LIKE 'abc%', and no other pattern")
    }

    /// Whether an owned value passes.
    func passes(_ value: [UInt8]?) throws(CQLError) -> Bool {
        guard let value else { return try passes(nil as ByteView?) }
        return try value.withView { (view) throws(CQLError) in try passes(view) }
    }

    /// Whether a column's value passes.
    func passes(_ value: ByteView?) throws(CQLError) -> Bool {
        let type = column.type
        switch test {
        case .equal(let wanted): return equal(value, wanted, type)
        case .notEqual(let unwanted): return !equal(value, unwanted, type)
        case .compare(let comparison, let bound):
            guard let value, let bound else { return false }
            if let analysis {
                let bound = bound.withView { analysis.apply($0) }
                let value = analysis.apply(value)
                return comparison.holds(type.compare(value, bound))
            }
            return bound.withView { comparison.holds(type.compare(value, $0)) }
        case .anyOf(let wanted): return wanted.contains { equal(value, $0, type) }
        case .noneOf(let unwanted):
            return value != nil && !unwanted.contains { equal(value, $0, type) }
        case .contains(let wanted):
            guard let value else { return false }
            switch type {
            case .list(let element, _), .set(let element, _):
                return try CQLType.elements(of: value).contains { equal($0, wanted, element) }
            case .map(_, let element, _):
                return try CQLType.entries(of: value).contains {
                    equal($0.value, wanted, element)
                }
            default: return false
            }
        case .containsKey(let wanted):
            guard let value, case .map(let key, _, _) = type else { return false }
            return try CQLType.entries(of: value).contains { equal($0.key, wanted, key) }
        case .prefix(let prefix):
            guard let value else { return false }
            guard let analysis else { return prefix.withView { value.hasPrefix($0) } }
            return analysis.apply(value).starts(with: prefix.withView { analysis.apply($0) })
        case .element(let key, let comparison, let wanted):
            return try passesElement(value, key, comparison, wanted)
        }
    }

    private func passesElement(
        _ value: ByteView?,
        _ key: [UInt8],
        _ comparison: Comparison?,
        _ wanted: [UInt8]?
    ) throws(CQLError) -> Bool {
        var found: ByteView?
        var elementType = CQLType.blob
        switch column.type {
        case .map(let keyType, let valueType, _):
            elementType = valueType
            if let value {
                found = try CQLType.entries(of: value).first {
                    equal($0.key, key, keyType)
                }?.value
            }
        case .list(let element, _):
            elementType = element
            if let value, let index = key.withView({ Int32(cql: $0) }) {
                let elements = try CQLType.elements(of: value)
                if index >= 0, Int(index) < elements.count { found = elements[Int(index)] }
            }
        default: return false
        }
        guard let comparison else { return equal(found, wanted, elementType) }
        guard let found, let wanted else { return false }
        return wanted.withView { comparison.holds(elementType.compare(found, $0)) }
    }

    private func equal(_ value: ByteView?, _ wanted: [UInt8]?, _ type: CQLType) -> Bool {
        guard let value, let wanted else {
            // An empty collection of cells is null.
            if type.isMultiCell, value == nil, let wanted { return wanted == [0, 0, 0, 0] }
            return value == nil && wanted == nil
        }
        return wanted.withView { wanted in
            guard let analysis else { return type.compare(value, wanted) == 0 }
            return analysis.apply(value) == analysis.apply(wanted)
        }
    }
}

extension RowFilter {
    /// Between what a regular column's value lies in every row that passes; nil when nothing is known of
    /// it.
    var bounds: ColumnBounds? {
        // What nodes have counted says nothing of the sum.
        if column.type == .counter { return nil }
        switch test {
        case .equal(let value?): return ColumnBounds(column, low: value, high: value)
        case .compare(.less, let value?), .compare(.lessOrEqual, let value?):
            return ColumnBounds(column, low: nil, high: value)
        case .compare(.greater, let value?), .compare(.greaterOrEqual, let value?):
            return ColumnBounds(column, low: value, high: nil)
        case .anyOf(let values):
            let known = values.compactMap(\.self).sorted { left, right in
                left.withView { left in right.withView { column.type.compare(left, $0) < 0 } }
            }
            guard let low = known.first, let high = known.last else { return nil }
            return ColumnBounds(column, low: low, high: high)
        default: return nil
        }
    }
}
