// SPDX-License-Identifier: Apache-2.0

import CQL
import Model

/// Writes a syntax tree on one line: what is absent, empty or false is left out, and so are
/// positions.
enum Outline {
    static func of(_ parsed: ParsedStatement) -> String {
        let markers = parsed.markers.map { describe($0) }.joined(separator: " ")
        return describe(parsed.statement) + (markers.isEmpty ? "" : "\nmarkers \(markers)")
    }

    private static func describe(_ value: Any) -> String {
        switch value {
        case let name as Identifier: return CQLIdentifier.quotedIfNeeded(name.name)
        case let name as QualifiedName:
            let keyspace = name.keyspace.map { describe($0) + "." } ?? ""
            return keyspace + describe(name.name)
        case let literal as Literal:
            return literal.kind == .string ? "'\(literal.text)'" : "\(literal.kind) \(literal.text)"
        case let marker as BindMarker:
            return "?\(marker.index)" + (marker.name.map { ":\($0)" } ?? "")
        case let term as Term: return describe(term.form)
        case let type as TypeReference: return describe(type.form)
        case let type as CQLType: return type.description
        case let text as String: return "'\(text)'"
        case let place as SourcePosition: return place.description
        case let call as FunctionCall:
            return describe(call.name) + "(" + list(call.arguments) + ")"
        default: return describeByShape(value)
        }
    }

    private static func describeByShape(_ value: Any) -> String {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional: return mirror.children.first.map { describe($0.value) } ?? "nil"
        case .collection:
            return "[" + mirror.children.map { describe($0.value) }.joined(separator: ", ") + "]"
        case .enum:
            guard let child = mirror.children.first, let label = child.label else {
                return "\(value)"
            }
            return wrapped(label, child.value)
        case .struct: return fields(mirror)
        default: return "\(value)"
        }
    }

    /// A case with its payload; a term's or a type's transparent cases without their label.
    private static func wrapped(_ label: String, _ payload: Any) -> String {
        switch label {
        case "literal", "marker", "call", "scalar", "named", "word", "term":
            return describe(payload)
        default: break
        }
        let mirror = Mirror(reflecting: payload)
        if mirror.displayStyle == .tuple { return label + fields(mirror) }
        if mirror.displayStyle == .struct, !isLeaf(payload) { return label + fields(mirror) }
        return "\(label)(\(describe(payload)))"
    }

    private static func isLeaf(_ value: Any) -> Bool {
        value is Identifier || value is QualifiedName || value is Literal || value is Term
            || value is TypeReference || value is FunctionCall || value is BindMarker
    }

    private static func fields(_ mirror: Mirror) -> String {
        var parts: [String] = []
        for child in mirror.children {
            let label = child.label ?? ""
            let isPlain = label.isEmpty || label.hasPrefix(".")
            if label == "position" { continue }
            if let flag = child.value as? Bool {
                if flag { parts.append(isPlain ? "true" : label) }
                continue
            }
            let inner = Mirror(reflecting: child.value)
            let style = inner.displayStyle
            let mayBeEmpty = style == .optional || style == .collection
            if mayBeEmpty, inner.children.isEmpty, !isPlain { continue }
            let text = describe(child.value)
            if text == "()" || text == "none" { continue }
            parts.append(isPlain ? text : "\(label): \(text)")
        }
        return "(" + parts.joined(separator: ", ") + ")"
    }

    private static func list(_ terms: [Term]) -> String {
        terms.map { describe($0) }.joined(separator: ", ")
    }
}
