// SPDX-License-Identifier: Apache-2.0

import CQL
import CQLProtocol
internal import Node
import Transport

/// Answers the requests of CQL connections from a query processor.
final class RequestHandler: CQLRequestHandler {
    private let processor: QueryProcessor

    init(_ processor: QueryProcessor) { self.processor = processor }

    func handle(
        _ message: RequestMessage,
        on connection: CQLConnection,
        responder: CQLResponder
    ) {
        let origin = StatementOrigin(
            keyspace: connection.keyspace,
            shard: processor.node.shards[connection.shard]
        )
        let complete: QueryProcessor.Completion = { outcome in
            RequestHandler.answer(outcome, on: connection, responder)
        }
        switch message.request {
        case .query(let text, let parameters):
            processor.query(text, parameters, origin, complete)
        case .execute(let id, let resultMetadataID, let parameters):
            processor.execute(
                id,
                resultMetadataID: resultMetadataID,
                parameters,
                origin,
                complete
            )
        case .batch(let batch): processor.batch(batch, origin, complete)
        case .prepare(let text, let keyspace):
            var origin = origin
            if let keyspace { origin.keyspace = keyspace }
            switch processor.prepare(text, origin) {
            case .success(let prepared): responder(.result(.prepared(prepared)))
            case .failure(let error): responder(.error(error))
            }
        case .options, .startup, .register, .authResponse:
            responder(
                .error(
                    CQLError(
                        .protocolViolation,
                        "\(message.request.opcode.name) was not expected here"
                    )
                )
            )
        }
    }

    private static func answer(
        _ outcome: StatementOutcome,
        on connection: CQLConnection,
        _ responder: CQLResponder
    ) {
        let response: Response
        switch outcome.result {
        case .success(let result):
            if case .setKeyspace(let name) = result { connection.keyspace = name }
            response = .result(result)
        case .failure(let error): response = .error(error)
        }
        guard !outcome.warnings.isEmpty else { return responder(response) }
        responder(ResponseMessage(stream: 0, warnings: outcome.warnings, response: response))
    }
}
