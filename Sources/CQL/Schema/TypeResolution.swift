// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

extension TypeReference {
    /// The type that is meant; what stands in `frozen<>` is frozen throughout.
    func resolved(isInFrozen: Bool = false) throws(CQLError) -> CQLType {
        switch form {
        case .scalar(let type): return type
        case .list(let element):
            return .list(try element.element(of: "list", isInFrozen), frozen: isInFrozen)
        case .set(let element):
            let type = try element.element(of: "set", isInFrozen)
            if type.containsDuration {
                throw .invalid("\(position) Durations are not allowed inside sets: set<\(type)>")
            }
            return .set(type, frozen: isInFrozen)
        case .map(let key, let value):
            let keyType = try key.element(of: "map", isInFrozen)
            if keyType.containsDuration {
                throw .invalid("\(position) Durations are not allowed as map keys: \(keyType)")
            }
            let valueType = try value.element(of: "map", isInFrozen)
            return .map(keyType, valueType, frozen: isInFrozen)
        case .tuple(let elements):
            var types: [CQLType] = []
            for element in elements {
                let type = try element.resolved(isInFrozen: true)
                if type == .counter {
                    throw .invalid("\(position) Counters are not allowed inside tuples")
                }
                types.append(type)
            }
            return .tuple(types)
        case .frozen(let inner):
            let type = try inner.resolved(isInFrozen: true)
            if case .tuple = type { return type }
            guard type.isCollection else {
                throw .invalid(
                    "\(position) frozen<> is only allowed on collections, tuples, and user-defined"
                        + " types (got \(type))"
                )
            }
            return type
        case .vector: throw .notYet("the type vector")
        case .named(let name):
            throw .invalid(
                "\(position) Unknown type \(name.name.name); user-defined types aren't supported by"
                    + " this version of Tholos yet"
            )
        case .custom(let name): throw .notYet("the custom type '\(name)'")
        }
    }

    /// The type of an element: collections inside of others must be frozen.
    private func element(
        of collection: String,
        _ isInFrozen: Bool
    ) throws(CQLError) -> CQLType {
        let type = try resolved(isInFrozen: isInFrozen)
        if type.isMultiCell {
            throw .invalid(
                "\(position) Non-frozen collections are not allowed inside collections:"
                    + " \(type) in a \(collection)"
            )
        }
        if type == .counter {
            throw .invalid(
                "\(position) Counters are not allowed inside collections: a \(collection)"
            )
        }
        return type
    }
}

extension CQLType {
    /// Whether durations, which have no order, are in values of the type.
    var containsDuration: Bool {
        switch self {
        case .duration: true
        case .list(let element, _), .set(let element, _): element.containsDuration
        case .map(let key, let value, _): key.containsDuration || value.containsDuration
        case .tuple(let elements): elements.contains(where: \.containsDuration)
        default: false
        }
    }
}
