// SPDX-License-Identifier: Apache-2.0

@_spi(_Unicode) import Swift
package import Bytes

/// What an index of texts does to a text before it is a term: the options `case_sensitive`,
/// `normalize` and `ascii`. A query's value goes through the same.
package struct TermAnalysis: Hashable, Sendable {
    /// Whether upper and lower case are the same: `case_sensitive` = false.
    package let foldsCase: Bool
    /// Whether canonically equivalent texts are the same (NFC): `normalize`.
    package let normalizes: Bool
    /// Whether letters are stripped of their marks: `ascii`.
    package let foldsMarks: Bool

    /// What an index on a column of `type` does; nil when it takes values as they are.
    package init?(_ index: IndexSchema, _ type: CQLType) {
        foldsCase = index.options["case_sensitive"]?.lowercased() == "false"
        normalizes = index.options["normalize"]?.lowercased() == "true"
        foldsMarks = index.options["ascii"]?.lowercased() == "true"
        guard foldsCase || normalizes || foldsMarks, index.part != .entries else { return nil }
        switch type.indexedType(index.part) {
        case .text, .ascii: break
        default: return nil
        }
    }

    /// The text as a term.
    package func apply(_ value: ByteView) -> [UInt8] {
        var text = String(cql: value)
        if foldsCase { text = text.lowercased() }
        if normalizes { text = String(String.UnicodeScalarView(text._nfc)) }
        if foldsMarks { text = Self.withoutMarks(text) }
        return Array(text.utf8)
    }

    /// Letters decomposed (NFD), and what is a mark over an ASCII letter left out.
    private static func withoutMarks(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        var followsASCII = false
        for scalar in text._nfd {
            let isMark = scalar.properties.generalCategory == .nonspacingMark
            if isMark, followsASCII { continue }
            followsASCII = scalar.isASCII
            scalars.append(scalar)
        }
        return String(scalars)
    }
}

extension CQLType {
    /// The type of the terms of an index on a part of a column of this type; of entries, that of
    /// their values.
    package func indexedType(_ part: IndexPart) -> CQLType {
        switch (part, self) {
        case (.keys, .map(let key, _, _)): key
        case (.values, .map(_, let value, _)), (.entries, .map(_, let value, _)): value
        case (.values, .list(let element, _)), (.values, .set(let element, _)): element
        default: self
        }
    }
}
