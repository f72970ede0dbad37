// SPDX-License-Identifier: Apache-2.0

/// A constant as a statement writes it, not yet of a type.
package struct Literal: Sendable {
    /// How it is written.
    package enum Kind: Sendable {
        /// `'…'` or `$$…$$`; the text is what stands inside, quotes undoubled.
        case string
        /// Digits, with `-` if negative.
        case integer
        /// A number with a fraction or exponent, or `NaN`, `Infinity`, `-NaN`, `-Infinity`.
        case float
        /// `true` or `false`.
        case boolean
        /// `1h30m` or ISO 8601 `PT1H30M`, with `-` if negative.
        case duration
        /// 8-4-4-4-12 hexadecimal digits.
        case uuid
        /// `0x` and hexadecimal digits, maybe none, maybe an odd number.
        case blob
    }

    /// How it is written.
    package let kind: Kind
    /// Its text.
    package let text: String
    /// Where it begins.
    package let position: SourcePosition

    /// A constant at `position`.
    package init(_ kind: Kind, _ text: String, at position: SourcePosition) {
        self.kind = kind
        self.text = text
        self.position = position
    }
}

/// A place in a statement for a value that the client sends along: `?` or `:name`.
package struct BindMarker: Sendable {
    /// Which of the statement's markers it is, from 0. A name that occurs twice is two markers.
    package let index: Int
    /// The name after the colon; nil for `?`.
    package let name: String?
    /// Where it stands.
    package let position: SourcePosition

    /// The marker number `index`.
    package init(index: Int, name: String?, position: SourcePosition) {
        self.index = index
        self.name = name
        self.position = position
    }
}

/// A call such as `now()` or `min(price)`; `token`, `ttl` and `writetime` are calls too.
package struct FunctionCall: Sendable {
    /// The function, lower case unless quoted.
    package let name: QualifiedName
    /// What stands between the parentheses.
    package let arguments: [Term]

    /// `name(arguments)`.
    package init(name: QualifiedName, arguments: [Term]) {
        self.name = name
        self.arguments = arguments
    }
}

/// The arithmetic signs.
package enum ArithmeticOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case remainder = "%"
}

/// One entry of a map literal.
package struct MapEntry: Sendable {
    /// The key.
    package let key: Term
    /// The value.
    package let value: Term
}

/// One field of a user-type literal.
package struct FieldEntry: Sendable {
    /// The field.
    package let field: Identifier
    /// Its value.
    package let value: Term
}

/// Something that has a value: in `VALUES`, `WHERE` and the like without columns, as a selector
/// with them.
package struct Term: Sendable {
    /// What a term may be.
    package enum Form: Sendable {
        case null
        case literal(Literal)
        case marker(BindMarker)
        indirect case call(FunctionCall)
        /// `(int) x`: says of which type `x` is.
        indirect case typeHint(TypeReference, Term)
        /// `CAST(x AS int)`: converts.
        indirect case cast(Term, TypeReference)
        case list([Term])
        /// A set; without elements it may also be a map.
        case set([Term])
        case map([MapEntry])
        case userType([FieldEntry])
        /// Two or more terms in parentheses, or one.
        case tuple([Term])
        indirect case arithmetic(Term, ArithmeticOperator, Term)
        indirect case negation(Term)
        /// A column; only in selectors, as are the next five.
        case column(Identifier)
        /// A field of a user type.
        indirect case field(Term, Identifier)
        /// `m[k]`: an element of a map, set or list.
        indirect case element(Term, Term)
        /// `s[a..b]`, either bound maybe left out.
        indirect case slice(Term, from: Term?, to: Term?)
        /// `COUNT(*)`.
        case countRows
    }

    /// What it is.
    package let form: Form
    /// Where it begins.
    package let position: SourcePosition

    /// A term that begins at `position`.
    package init(_ form: Form, at position: SourcePosition) {
        self.form = form
        self.position = position
    }
}
