// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Foundation

/// The arguments of a command: those that it has, of the kinds that it says.
package struct AdminArguments: Sendable {
    private enum Value: Decodable, Sendable {
        case text(String)
        case texts([String])
        case flag(Bool)
        case other

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else if let texts = try? container.decode([String].self) {
                self = .texts(texts)
            } else {
                self = .other
            }
        }

        var kind: AdminCommandDescription.Kind? {
            switch self {
            case .text: .text
            case .texts: .texts
            case .flag: .flag
            case .other: nil
            }
        }
    }

    private var values: [String: Value] = [:]

    /// None.
    init() {}

    /// Those of a request's body.
    ///
    /// - Parameter body: a JSON object, or nothing.
    /// - Throws: what is wrong, with what the command takes.
    init(_ body: [UInt8], of command: AdminCommandDescription) throws(AdminFailure) {
        guard !body.isEmpty else { return }
        do {
            values = try JSONDecoder().decode([String: Value].self, from: Data(body))
        } catch {
            throw AdminFailure(
                .badRequest,
                "the body isn't a JSON object of arguments, such as {\"keyspace\": \"ks\"}"
            )
        }
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let argument = command.arguments.first(where: { $0.name == name }) else {
                let names = command.arguments.map(\.name).joined(separator: ", ")
                throw AdminFailure(
                    .badRequest,
                    "\(command.name) has no argument \(AdminService.quoted(name)); "
                        + (names.isEmpty ? "it has none" : "it has: \(names)")
                )
            }
            guard value.kind == argument.kind else {
                let wanted =
                    switch argument.kind {
                    case .text: "a text"
                    case .texts: "a list of texts"
                    case .flag: "true or false"
                    }
                throw AdminFailure(.badRequest, "\(command.name): \(name) takes \(wanted)")
            }
        }
    }

    func text(_ name: String) -> String? {
        if case .text(let text) = values[name] { text } else { nil }
    }

    func texts(_ name: String) -> [String] {
        if case .texts(let texts) = values[name] { texts } else { [] }
    }

    func flag(_ name: String, default value: Bool) -> Bool {
        if case .flag(let flag) = values[name] { flag } else { value }
    }
}
