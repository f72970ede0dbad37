// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Client

/// A node that is reached over the native protocol.
final class RemoteBackend: ShellBackend {
    private let client: CQLClient
    let place: String

    /// Connects to a node.
    ///
    /// - Throws: `ShellError` that says where it tried and why it failed.
    init(host: String, port: Int) async throws(ShellError) {
        let isAddressV6 = host.contains(":")
        place = isAddressV6 ? "[\(host)]:\(port)" : "\(host):\(port)"
        var settings = ClientSettings(hosts: [host], port: port)
        // One statement at a time needs one connection.
        settings.connections = .count(1)
        settings.driverName = "tholos shell"
        do throws(ClientError) {
            client = try await CQLClient.connect(settings)
        } catch {
            let isRefused = error.message.contains("Connection refused")
            throw ShellError(
                connection: isRefused
                    ? "cannot connect to \(place): nothing listens there\nStart a node with `tholos "
                        + "serve`, or open a database without one: tholos shell --embedded FOLDER"
                    : error.message
            )
        }
    }

    var protocolVersion: Int? { Int(client.version.rawValue) }

    func execute(
        _ statement: String,
        options: StatementOptions
    ) async throws(ShellError) -> ShellResult {
        let message: ResponseMessage
        do throws(ClientError) {
            // The client follows USE with all of its connections.
            message = try await client.query(
                statement,
                options.parameters,
                isTraced: options.isTraced
            )
        } catch {
            throw ShellError(error, place: place)
        }
        return try ShellResult(message)
    }

    func close() async { await client.close() }
}

extension ShellError {
    fileprivate init(_ error: ClientError, place: String) {
        switch error.kind {
        case .server(let refusal): self.init(code: refusal.code, message: refusal.message)
        case .timeout: self.init(timeout: error.message)
        case .connection, .closed, .protocolViolation:
            self.init(connection: "\(place): \(error.message)")
        }
    }
}
