// SPDX-License-Identifier: Apache-2.0

/// A command of the admin port as `GET /v1/` describes it.
package struct AdminCommandDescription: Codable, Sendable, Equatable {
    package struct Argument: Codable, Sendable, Equatable {
        package let name: String
        /// `text`, `texts` (a list), `flag` (true or false).
        package let kind: Kind
        /// One sentence.
        package let meaning: String

        package init(_ name: String, _ kind: Kind, _ meaning: String) {
            self.name = name
            self.kind = kind
            self.meaning = meaning
        }
    }

    package enum Kind: String, Codable, Sendable {
        case text
        case texts
        case flag
    }

    package let name: String
    /// One sentence.
    package let meaning: String
    package let arguments: [Argument]

    package init(name: String, meaning: String, arguments: [Argument] = []) {
        self.name = name
        self.meaning = meaning
        self.arguments = arguments
    }
}

/// The answer to `GET /v1/`.
package struct AdminCommandList: Codable, Sendable, Equatable {
    package let commands: [AdminCommandDescription]

    package init(commands: [AdminCommandDescription]) { self.commands = commands }
}

/// What is answered instead when a command can't be done.
package struct AdminFailure: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Codable, Sendable {
        /// The request is wrong: it names a command, an argument or a value that there isn't.
        case badRequest = "bad_request"
        /// The node failed at it.
        case failed
        /// The node is stopping, or has too much to do.
        case unavailable
    }

    package let kind: Kind
    /// What is wrong, the value, and what there is instead.
    package let error: String

    package init(_ kind: Kind, _ error: String) {
        self.kind = kind
        self.error = error
    }

    package var description: String { error }
}
