// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

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

extension ColumnDefinition {
    /// The type that is meant, as a column may have it.
    func resolvedType() throws(CQLError) -> CQLType {
        if mask != nil { throw .notYet("masking columns (\(name.name))") }
        let type = try type.resolved()
        try Self.checkElements(of: type)
        return type
    }

    /// Refuses types that need an order where there is none, and counters inside of tuples.
    private static func checkElements(of type: CQLType) throws(CQLError) {
        switch type {
        case .set(let element, _):
            if element.containsDuration {
                throw .invalid("Durations are not allowed inside sets: \(type)")
            }
            try checkElements(of: element)
        case .map(let key, let value, _):
            if key.containsDuration {
                throw .invalid("Durations are not allowed as map keys: \(type)")
            }
            try checkElements(of: key)
            try checkElements(of: value)
        case .list(let element, _): try checkElements(of: element)
        case .tuple(let elements):
            if elements.contains(.counter) {
                throw .invalid("Counters are not allowed inside tuples: \(type)")
            }
            for element in elements { try checkElements(of: element) }
        default: break
        }
    }
}
