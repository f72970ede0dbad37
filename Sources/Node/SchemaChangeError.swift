// SPDX-License-Identifier: Apache-2.0

package import Storage

/// Why a schema was not changed.
package enum SchemaChangeError<Failure: Error>: Error, Sendable {
    /// The plan refused.
    case refused(Failure)
    /// The change could not be made durable.
    case storage(StorageError)
    /// The nodes of the cluster didn't decide it; why, and what to do.
    case cluster(String)
}
