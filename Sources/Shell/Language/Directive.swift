// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
package import Model

/// A command that the shell carries out by itself, instead of sending it to the database.
package enum Directive: Equatable, Sendable {
    case help([String])
    case exit
    case clear
    /// `CONSISTENCY [level]`; without one it asks for the present level.
    case consistency(Consistency?)
    case serialConsistency(Consistency?)
    case paging(PagingChange?)
    /// `EXPAND`, `TRACING`, `TIMING`: on, off, or the question how it stands.
    case flag(Flag, Bool?)
    case format(OutputFormat?)
    case source(String)
    case capture(CaptureChange?)
    case show(ShowTopic)
    case history(Int)
    case copy
    case login
    /// It begins like a command but isn't one; a sentence for the person.
    case malformed(String)

    /// What is either on or off.
    package enum Flag: String, Sendable {
        case expand = "EXPAND"
        case tracing = "TRACING"
        case timing = "TIMING"
    }

    package enum PagingChange: Equatable, Sendable {
        case on
        case off
        case size(Int)
    }

    package enum CaptureChange: Equatable, Sendable {
        case file(String)
        case off
    }

    package enum ShowTopic: Equatable, Sendable {
        case version
        case host
        case session(String)
    }

    /// The first words, in capitals, of input that ends with its line even without a semicolon.
    /// `DESCRIBE` is among them, although the database carries it out.
    package static let lineWords: Set<String> = [
        "?", "CAPTURE", "CLEAR", "CLS", "CONSISTENCY", "DESC", "DESCRIBE", "ELAPSED", "EXIT",
        "EXPAND", "FORMAT", "HELP", "HISTORY", "LOGIN", "PAGING", "QUIT", "SERIAL", "SHOW",
        "SOURCE",
        "TIMING", "TRACING",
    ]

    /// The command that `text` is; nil when it is a statement for the database.
    package static func parse(_ text: String) -> Directive? {
        let words = split(text)
        guard let first = words.first, !first.isQuoted else { return nil }
        let rest = Array(words.dropFirst())
        let name = first.text.uppercased()
        switch name {
        case "?", "HELP": return .help(rest.map(\.text))
        case "EXIT", "QUIT": return rest.isEmpty ? .exit : unexpected(rest[0], after: name)
        case "CLEAR", "CLS": return rest.isEmpty ? .clear : unexpected(rest[0], after: name)
        case "CONSISTENCY": return consistency(rest)
        case "SERIAL": return serialConsistency(rest)
        case "PAGING": return paging(rest)
        case "EXPAND": return flag(.expand, rest)
        case "TRACING": return flag(.tracing, rest)
        case "TIMING", "ELAPSED": return flag(.timing, rest)
        case "FORMAT": return format(rest)
        case "SOURCE": return source(rest)
        case "CAPTURE": return capture(rest)
        case "SHOW": return show(rest)
        case "HISTORY": return history(rest)
        case "COPY": return .copy
        case "LOGIN": return .login
        default: return nil
        }
    }
}

extension Directive {
    /// A word, or the inside of a quoted text.
    private struct Word: Equatable {
        let text: String
        let isQuoted: Bool
    }

    /// The words of a command, without its final semicolon.
    private static func split(_ text: String) -> [Word] {
        var words: [Word] = []
        var current = ""
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open {
                    words.append(Word(text: current, isQuoted: true))
                    current = ""
                    quote = nil
                } else {
                    current.append(character)
                }
            } else if character == "'" || character == "\"" || character.isWhitespace
                || character == ";" || character == "?"
            {
                if !current.isEmpty { words.append(Word(text: current, isQuoted: false)) }
                current = ""
                if character == "'" || character == "\"" { quote = character }
                if character == "?" { words.append(Word(text: "?", isQuoted: false)) }
            } else {
                current.append(character)
            }
        }
        if !current.isEmpty { words.append(Word(text: current, isQuoted: quote != nil)) }
        let comments = ["--", "//", "/*"]
        return Array(
            words.prefix { word in
                word.isQuoted || !comments.contains { word.text.hasPrefix($0) }
            }
        )
    }

    private static func unexpected(_ word: Word, after name: String) -> Directive {
        .malformed("\(name) takes nothing like '\(word.text)'; see HELP \(name)")
    }

    private static func consistency(_ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .consistency(nil) }
        if rest.count > 1 { return unexpected(rest[1], after: "CONSISTENCY") }
        guard let level = Consistency(name: word.text) else {
            return .malformed(
                "there is no consistency level '\(word.text)'; there are "
                    + Consistency.allCases.map(\.description).joined(separator: ", ")
            )
        }
        return .consistency(level)
    }

    private static func serialConsistency(_ rest: [Word]) -> Directive {
        guard let keyword = rest.first, keyword.text.uppercased() == "CONSISTENCY" else {
            return .malformed("expected SERIAL CONSISTENCY [SERIAL | LOCAL_SERIAL]")
        }
        guard rest.count > 1 else { return .serialConsistency(nil) }
        guard let level = Consistency(name: rest[1].text), level.isSerial, rest.count == 2 else {
            return .malformed(
                "'\(rest[1].text)' is no serial consistency level; there are SERIAL and LOCAL_SERIAL"
            )
        }
        return .serialConsistency(level)
    }

    private static func paging(_ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .paging(nil) }
        if rest.count > 1 { return unexpected(rest[1], after: "PAGING") }
        if let value = onOff(word) { return .paging(value ? .on : .off) }
        guard let size = Int(word.text), size > 0, size <= Int(Int32.max) else {
            return .malformed("expected PAGING [ON | OFF | rows of a page], found '\(word.text)'")
        }
        return .paging(.size(size))
    }

    private static func flag(_ flag: Flag, _ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .flag(flag, nil) }
        guard let value = onOff(word), rest.count == 1 else {
            return .malformed("expected \(flag.rawValue) [ON | OFF], found '\(word.text)'")
        }
        return .flag(flag, value)
    }

    private static func onOff(_ word: Word) -> Bool? {
        switch word.text.uppercased() {
        case "ON": true
        case "OFF": false
        default: nil
        }
    }

    private static func format(_ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .format(nil) }
        guard let format = OutputFormat(rawValue: word.text.lowercased()), rest.count == 1 else {
            let names = OutputFormat.allCases.map { $0.rawValue.uppercased() }
            return .malformed(
                "expected FORMAT [\(names.joined(separator: " | "))], found '\(word.text)'"
            )
        }
        return .format(format)
    }

    private static func source(_ rest: [Word]) -> Directive {
        guard let word = rest.first, rest.count == 1 else {
            return .malformed("expected SOURCE 'file'")
        }
        return .source(word.text)
    }

    private static func capture(_ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .capture(nil) }
        if rest.count > 1 { return unexpected(rest[1], after: "CAPTURE") }
        if !word.isQuoted, word.text.uppercased() == "OFF" { return .capture(.off) }
        return .capture(.file(word.text))
    }

    private static func show(_ rest: [Word]) -> Directive {
        switch rest.first?.text.uppercased() {
        case "VERSION" where rest.count == 1: .show(.version)
        case "HOST" where rest.count == 1: .show(.host)
        case "SESSION" where rest.count == 2: .show(.session(rest[1].text))
        default: .malformed("expected SHOW VERSION, SHOW HOST or SHOW SESSION id")
        }
    }

    private static func history(_ rest: [Word]) -> Directive {
        guard let word = rest.first else { return .history(50) }
        guard let count = Int(word.text), count > 0, rest.count == 1 else {
            return .malformed("expected HISTORY [number of entries], found '\(word.text)'")
        }
        return .history(count)
    }
}
