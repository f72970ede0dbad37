// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Foundation
import Transport

/// The admin port: `POST /v1/COMMAND` with a JSON object of arguments does a command and answers with
/// JSON; `GET /v1/` lists the commands.
///
/// Nobody is asked who they are, so it listens on the loopback address unless it is told otherwise. A web
/// page that a browser on the same machine shows must not get through to it: what a browser sends
/// for a page says so (`Origin`), or can't have the content type of JSON.
package struct AdminService: Sendable {
    let context: AdminContext
    private let commands = NodeCommand.all

    /// What every path begins with.
    private static let root = "/v1/"

    package func answer(_ request: HTTPRequest) async -> HTTPResponse {
        do throws(AdminFailure) {
            let (command, arguments) = try find(request)
            guard let command else { return AdminService.response(list) }
            return AdminService.response(try await command.run(arguments, context))
        } catch {
            return AdminService.response(error, status: AdminService.status(of: error, request))
        }
    }

    private var list: AdminCommandList { AdminCommandList(commands: commands.map(\.description)) }

    /// The command and its arguments; no command for the list of them.
    private func find(
        _ request: HTTPRequest
    ) throws(AdminFailure) -> (NodeCommand?, AdminArguments) {
        if let origin = request.origin {
            throw AdminFailure(
                .badRequest,
                "requests of web pages are refused (Origin: \(AdminService.quoted(origin)))"
            )
        }
        guard request.path.hasPrefix(AdminService.root) else {
            throw AdminFailure(
                .badRequest,
                "there is nothing at \(AdminService.quoted(request.path)); GET /v1/ lists the commands"
            )
        }
        let name = String(request.path.dropFirst(AdminService.root.count))
        if name.isEmpty {
            guard request.method == "GET" else {
                throw AdminFailure(.badRequest, "/v1/ takes GET; commands are at /v1/COMMAND")
            }
            return (nil, AdminArguments())
        }
        guard let command = commands.first(where: { $0.description.name == name }) else {
            let names = commands.map(\.description.name).joined(separator: ", ")
            throw AdminFailure(
                .badRequest,
                "there is no command \(AdminService.quoted(name)); there are: \(names)"
            )
        }
        guard request.method == "POST" else {
            throw AdminFailure(.badRequest, "\(name) takes POST, not \(AdminService.quoted(request.method))")
        }
        guard request.contentType?.lowercased().hasPrefix("application/json") == true else {
            let found = request.contentType.map { AdminService.quoted($0) } ?? "none"
            throw AdminFailure(.badRequest, "the content type must be application/json; it is \(found)")
        }
        return (command, try AdminArguments(request.body, of: command.description))
    }

    /// A text of a request's as it may stand in a message.
    static func quoted(_ text: String) -> String {
        let printable = text.unicodeScalars.prefix(100).map { scalar in
            scalar.value < 32 || scalar.value == 127 ? "?" : Character(scalar)
        }
        return "\"" + String(printable) + "\""
    }

    private static func status(of failure: AdminFailure, _ request: HTTPRequest) -> Int {
        switch failure.kind {
        case .badRequest:
            if request.origin != nil { return 403 }
            return failure.error.hasPrefix("there is no command") ? 404 : 400
        case .failed: return 500
        case .unavailable: return 503
        }
    }

    private static func response(_ answer: any Encodable, status: Int = 200) -> HTTPResponse {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return HTTPResponse(status: status, body: Array(try encoder.encode(answer)) + [10])
        } catch {
            // A ratio that isn't a number, at worst.
            let text = #"{"error":"the answer can't be written as JSON","kind":"failed"}"# + "\n"
            return HTTPResponse(status: 500, body: Array(text.utf8))
        }
    }
}
