internal import CQLProtocol
internal import Model
import Storage
package struct SystemContext: Sendable { var clusterName = ""; package init() {} }
struct SystemTables { let context: SystemContext; func memtable(for table: TableSchema, schema: Schema) -> Memtable? { return nil } }
enum SystemSchema { static let schema = Schema(); static func isVirtual(_ t: TableSchema) -> Bool { false } }
struct SchemaPlan: Sendable { var edits: [SchemaEdit]; var change: SchemaNotice?; var warnings: [String] }
struct SchemaPlanner { static func plan(_ s: Statement, schema: Schema, currentKeyspace: String?, newID: () -> UUID) throws(CQLError) -> SchemaPlan { SchemaPlan(edits: [], change: nil, warnings: []) } }
