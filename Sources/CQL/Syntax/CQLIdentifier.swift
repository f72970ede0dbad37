// SPDX-License-Identifier: Apache-2.0

/// Writes names as CQL reads them.
package enum CQLIdentifier {
    /// `name` as it is when CQL reads that back as the same name; else in double quotes.
    package static func quotedIfNeeded(_ name: String) -> String {
        isPlain(name) ? name : quoted(name)
    }

    /// `name` in double quotes, those in it doubled.
    package static func quoted(_ name: String) -> String {
        enclosed(name, in: UInt8(ascii: "\""))
    }

    /// `text` as a CQL string: in single quotes, those in it doubled.
    package static func stringLiteral(_ text: String) -> String {
        enclosed(text, in: UInt8(ascii: "'"))
    }

    /// Whether `name` needs no quotes: a small letter, then small letters, digits and underscores,
    /// and no reserved word.
    package static func isPlain(_ name: String) -> Bool {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var count = 0
        for byte in name.utf8 {
            guard Lexer.isWordByte(byte), !Lexer.isCapital(byte) else { return false }
            if count == 0, !Lexer.isLetter(byte) { return false }
            KeywordTable.append(byte, &low, &high)
            count += 1
        }
        guard count > 0 else { return false }
        guard count <= KeywordTable.wordSizeMax else { return true }
        return KeywordTable.shared.find(low, high)?.isReserved != true
    }

    private static func enclosed(_ text: String, in quote: UInt8) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        bytes.append(quote)
        for byte in text.utf8 {
            bytes.append(byte)
            if byte == quote { bytes.append(quote) }
        }
        bytes.append(quote)
        return String(decoding: bytes, as: UTF8.self)
    }
}
