// SPDX-License-Identifier: Apache-2.0

/// A statement about roles, users and permissions.
package enum AccessStatement: Sendable {
    /// What a permission is about.
    package enum Resource: Sendable {
        case allKeyspaces
        case keyspace(Identifier)
        case allTables(keyspace: Identifier)
        case table(QualifiedName)
        case allRoles
        case role(Identifier)
        /// All functions, of one keyspace if it is named.
        case allFunctions(keyspace: Identifier?)
        case function(QualifiedName, [TypeReference])
        /// All MBeans, or those that a pattern names.
        case beans(pattern: String?)
    }

    /// One setting of a role.
    package enum Option: Sendable {
        case password(String, isHashed: Bool)
        case superuser(Bool)
        case login(Bool)
        case options([Property.Entry])
        /// The data centers from which it may connect; nil for all.
        case datacenters([String]?)
        /// The address ranges from which it may connect; nil for all.
        case addressRanges([String]?)
    }

    case createRole(Identifier, ifNotExists: Bool, [Option], isUser: Bool)
    case alterRole(Identifier, ifExists: Bool, [Option], isUser: Bool)
    case dropRole(Identifier, ifExists: Bool, isUser: Bool)
    case listRoles(of: Identifier?, isRecursive: Bool)
    case listUsers
    case grantRole(Identifier, to: Identifier)
    case revokeRole(Identifier, from: Identifier)
    /// Permissions in lower case; `all` for all of them. The same for the next two.
    case grant([String], on: Resource, to: Identifier)
    case revoke([String], on: Resource, from: Identifier)
    case listPermissions([String], on: Resource?, of: Identifier?, isRecursive: Bool)
    case addIdentity(String, ifNotExists: Bool, role: String)
    case dropIdentity(String, ifExists: Bool)
}
