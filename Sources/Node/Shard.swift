// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
package import Model
package import Storage

/// One shard of a node: its executor, its store and the schema as it knows it.
///
/// `store` and `schema` are used on `executor` only.
package final class Shard: @unchecked Sendable {  // Owner: its executor.
    package let index: Int
    package let executor: any Executor
    package let store: ShardStore
    /// The schema as of the last change that this shard has heard of.
    package private(set) var schema: Schema

    init(index: Int, executor: any Executor, store: ShardStore, schema: Schema) {
        self.index = index
        self.executor = executor
        self.store = store
        self.schema = schema
    }

    /// Takes a new schema: tables that are gone are forgotten, new ones made.
    func adopt(_ schema: Schema) {
        guard schema.epoch > self.schema.epoch else { return }
        self.schema = schema
        for table in store.allTables where schema.table(storageID: table.schema.storageID) == nil {
            store.removeTable(storageID: table.schema.storageID)
        }
        for table in schema.tables { store.addTable(table) }
    }

    /// Runs `body` on the shard's executor: at once when the caller is on it, later otherwise.
    package func run(_ body: @escaping @Sendable (Shard) -> Void) {
        if executor.isCurrent {
            body(self)
        } else {
            executor.execute { [self] in body(self) }
        }
    }
}
