// SPDX-License-Identifier: Apache-2.0

extension CQLType {
    /// The type that a CQL text spells, as `description` writes it; nil for anything else.
    package init?(parsing text: String) {
        var rest = Substring(text)
        guard let type = CQLType.parse(&rest, depth: 0), rest.allSatisfy({ $0 == " " }) else {
            return nil
        }
        self = type
    }

    private static let depthMax = 64

    private static func parse(_ rest: inout Substring, depth: Int) -> CQLType? {
        guard depth <= depthMax else { return nil }
        rest = rest.drop { $0 == " " }
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }.lowercased()
        rest = rest.dropFirst(name.count).drop { $0 == " " }
        guard rest.first == "<" else { return scalars[name] }
        rest = rest.dropFirst()
        var parameters: [CQLType] = []
        while true {
            guard let parameter = parse(&rest, depth: depth + 1) else { return nil }
            parameters.append(parameter)
            rest = rest.drop { $0 == " " }
            guard let separator = rest.popFirst() else { return nil }
            if separator == ">" { break }
            guard separator == "," else { return nil }
        }
        switch (name, parameters.count) {
        case ("frozen", 1): return parameters[0].frozen
        case ("list", 1): return .list(parameters[0], frozen: false)
        case ("set", 1): return .set(parameters[0], frozen: false)
        case ("map", 2): return .map(parameters[0], parameters[1], frozen: false)
        case ("tuple", _): return .tuple(parameters)
        default: return nil
        }
    }
}
