// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import CQLProtocol
internal import Model
internal import Synchronization

/// A statement that the server has prepared. When the server forgets it, it is prepared again
/// without the caller noticing.
package final class PreparedStatement: Sendable {
    /// The statement's text.
    package let text: String
    /// The keyspace it was prepared in; nil for the connection's.
    package let keyspace: String?
    private let state: Mutex<PreparedResult>

    init(text: String, keyspace: String?, result: PreparedResult) {
        self.text = text
        self.keyspace = keyspace
        self.state = Mutex(result)
    }

    /// What the server knows it by, and its markers and columns.
    package var result: PreparedResult { state.withLock { $0 } }

    /// The bind markers.
    package var markers: [ColumnSpecification] { result.bind.columns.columns }

    /// The columns of the rows it yields; none for a statement that yields no rows.
    package var columns: [ColumnSpecification] { result.result.columns.columns }

    func replace(_ result: PreparedResult) { state.withLock { $0 = result } }

    /// Takes the columns that the server says have changed.
    func update(_ metadata: ResultMetadata) {
        guard let id = metadata.newMetadataID else { return }
        state.withLock {
            $0.resultMetadataID = id
            $0.result = ResultMetadata(columns: metadata.columns)
        }
    }

    /// Whether a statement's text only reads, and so may be executed twice.
    static func reads(_ text: String) -> Bool {
        text.utf8.drop { $0 <= 0x20 }.prefix(6).elementsEqual("SELECT".utf8) { $0 & 0xDF == $1 }
    }

    /// The token of the partition that `values` name; nil when they don't name one whole.
    static func token(_ bind: BindMetadata, _ values: BoundValues) -> Token? {
        let indices = bind.partitionKeyIndices
        guard !indices.isEmpty, !values.isNamed else { return nil }
        return values.withCursor { cursor in
            if indices.count == 1 {
                for _ in 0..<indices[0] { _ = cursor.next() }
                guard case .value(let view)? = cursor.next()?.value else { return nil }
                return Token(partitionKey: view)
            }
            var parts = [ByteView?](repeating: nil, count: indices.count)
            var index: UInt16 = 0
            while let (_, value) = cursor.next() {
                if let place = indices.firstIndex(of: index), case .value(let view) = value {
                    parts[place] = view
                }
                index += 1
            }
            var key = ByteWriter()
            for part in parts {
                guard let part, part.count <= Int(UInt16.max) else { return nil }
                key.appendBigEndian(UInt16(truncatingIfNeeded: part.count))
                key.append(part)
                key.append(0)
            }
            return Token(partitionKey: key.view)
        }
    }
}
