// SPDX-License-Identifier: Apache-2.0

internal import Model

/// Data types.
extension Parser {
    /// A data type.
    mutating func type() throws(SyntaxError) -> TypeReference {
        try nested { (parser) throws(SyntaxError) in
            let start = parser.position
            return TypeReference(try parser.typeForm(), at: start)
        }
    }

    private mutating func typeForm() throws(SyntaxError) -> TypeReference.Form {
        if atString { return .custom(try string()) }
        if let keyword = token.keyword {
            if let scalar = Parser.scalar(keyword), try lookAhead().kind != .dot {
                try advance()
                return .scalar(scalar)
            }
            let isParameterized = Parser.isParameterized(keyword)
            if isParameterized, try lookAhead().kind == .less {
                return try parameterized(keyword)
            }
        }
        guard atName else { throw expected("a type") }
        return .named(try qualifiedName("a type name"))
    }

    private static func isParameterized(_ keyword: Keyword) -> Bool {
        switch keyword {
        case .list, .set, .map, .tuple, .frozen, .vector: true
        default: false
        }
    }

    /// A type with others between `<` and `>`.
    private mutating func parameterized(
        _ keyword: Keyword
    ) throws(SyntaxError) -> TypeReference.Form {
        try advance()
        try expect(.less, "<")
        let first = try type()
        let form: TypeReference.Form
        switch keyword {
        case .list: form = .list(first)
        case .set: form = .set(first)
        case .frozen: form = .frozen(first)
        case .map:
            try expect(.comma, ",")
            form = .map(first, try type())
        case .vector:
            try expect(.comma, ",")
            form = .vector(first, dimension: try integer("the number of elements"))
        default:
            var elements = [first]
            while try accept(.comma) {
                elements.append(try type())
            }
            form = .tuple(elements)
        }
        try expect(.greater, ">")
        return form
    }

    /// The scalar type that a keyword names.
    private static func scalar(_ keyword: Keyword) -> CQLType? {
        switch keyword {
        case .ascii: .ascii
        case .bigint: .bigint
        case .blob: .blob
        case .boolean: .boolean
        case .counter: .counter
        case .date: .date
        case .decimal: .decimal
        case .double: .double
        case .duration: .duration
        case .float: .float
        case .inet: .inet
        case .int: .int
        case .smallint: .smallint
        case .text, .varchar: .text
        case .time: .time
        case .timestamp: .timestamp
        case .timeuuid: .timeuuid
        case .tinyint: .tinyint
        case .uuid: .uuid
        case .varint: .varint
        default: nil
        }
    }
}
