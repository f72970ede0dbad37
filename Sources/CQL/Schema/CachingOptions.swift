// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// The table option `caching`.
enum CachingOptions {
    /// The option in the form that is stored.
    static func check(_ map: TableOptions.Map) throws(CQLError) -> TableOptions.Map {
        let strangers = map.keys.filter { $0 != "keys" && $0 != "rows_per_partition" }.sorted()
        guard strangers.isEmpty else {
            throw .configuration(
                "Invalid caching sub-options [\(strangers.joined(separator: ", "))]: only 'keys'"
                    + " and 'rows_per_partition' are allowed"
            )
        }
        let keys = (map["keys"] ?? "NONE").uppercased()
        guard keys == "ALL" || keys == "NONE" else {
            throw .configuration(
                "Invalid value '\(map["keys"] ?? "")' for caching sub-option 'keys': only 'ALL' and"
                    + " 'NONE' are allowed"
            )
        }
        let rows = (map["rows_per_partition"] ?? "NONE").uppercased()
        var count = rows
        if let number = Int32(rows), number >= 0 {
            count = number == 0 ? "NONE" : number == .max ? "ALL" : "\(number)"
        } else if rows != "ALL", rows != "NONE" {
            throw .configuration(
                "Invalid value '\(map["rows_per_partition"] ?? "")' for caching sub-option"
                    + " 'rows_per_partition': only 'ALL', 'NONE', and integer values are allowed"
            )
        }
        return ["keys": keys, "rows_per_partition": count]
    }
}
