// SPDX-License-Identifier: Apache-2.0

/// The words that have a meaning in CQL, in lower case.
///
/// Reserved ones come first; the others are also names where a name is expected, as in Cassandra
/// (its Parser.g, rule `unreserved_keyword`).
enum Keyword: UInt8, CaseIterable {
    // Reserved.
    case add, allow, alter, and, apply, asc, authorize, batch, begin, by, columnfamily, create
    case delete, desc, describe, drop, entries, execute, `false`, from, full, grant, `if`, `in`
    case index, infinity, insert, into, `is`, keyspace, limit, materialized, modify, nan
    case norecursive, not, null, of, on, or, order, primary, rename, revoke, schema, select, set
    case table, to, token, `true`, truncate, unlogged, update, use, using, view, `where`, with
    // Not reserved.
    case access, aggregate, aggregates, all, ann, `as`, ascii, between, bigint, blob, boolean
    case bypass, cache, called, cast, cidrs, cluster, clustering, columnfamilies, compact
    case contains, count, counter, custom, datacenters, date, decimal, `default`, distinct
    case double, duration, exists, explain, expr, filtering, finalfunc, float, frozen, function
    case functions, group, hashed, identity, inet, initcond, input, int, internals, json, key
    case keys, keyspaces, language, like, list, logged, login, map, masked, maxwritetime, mbean
    case mbeans, nologin, nosuperuser, only, options, partition, password, per, permission
    case permissions, replace, returns, role, roles, selectMasked, sfunc, smallint, `static`
    case storage, stype, superuser, tables, text, time, timeout, timestamp, timeuuid, tinyint
    case trigger, ttl, tuple, type, types, unmask, unset, user, users, uuid, values, varchar
    case varint, vector, writetime

    /// Whether the word can't be a name unless it is quoted.
    var isReserved: Bool { rawValue < Keyword.access.rawValue }

    /// The word in lower case.
    var spelling: String { self == .selectMasked ? "select_masked" : "\(self)" }

    /// Whether the word is a constant and so never begins a name.
    var isConstant: Bool {
        switch self {
        case .null, .true, .false, .nan, .infinity: true
        default: false
        }
    }
}

/// Finds keywords by their letters: open addressing over the word packed into 16 bytes.
struct KeywordTable: Sendable {
    /// The one table.
    static let shared = KeywordTable()
    /// The longest keyword, in bytes, is not longer than this.
    static let wordSizeMax = 16

    private struct Slot {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var keyword: Keyword?
    }

    private var slots: [Slot]

    private init() {
        slots = [Slot](repeating: Slot(), count: 1024)
        for keyword in Keyword.allCases {
            var low: UInt64 = 0
            var high: UInt64 = 0
            for byte in keyword.spelling.utf8 {
                KeywordTable.append(byte, &low, &high)
            }
            var index = KeywordTable.home(low, high)
            while slots[index].keyword != nil {
                index = (index + 1) & 1023
            }
            slots[index] = Slot(low: low, high: high, keyword: keyword)
        }
    }

    /// Adds a letter, digit or underscore to a packed word, without regard to case. Setting bit 5
    /// lowers capitals, leaves digits alone and makes the underscore 0x7F, which nothing else is.
    @inline(__always)
    static func append(_ byte: UInt8, _ low: inout UInt64, _ high: inout UInt64) {
        high = high << 8 | low >> 56
        low = low << 8 | UInt64(byte | 0x20)
    }

    @inline(__always)
    private static func home(_ low: UInt64, _ high: UInt64) -> Int {
        Int(truncatingIfNeeded: ((low ^ high &* 31) &* 0x9E37_79B9_7F4A_7C15) >> 54)
    }

    /// The keyword of a packed word of at most 16 bytes.
    @inline(__always)
    func find(_ low: UInt64, _ high: UInt64) -> Keyword? {
        var index = KeywordTable.home(low, high)
        while let keyword = slots[index].keyword {
            if slots[index].low == low, slots[index].high == high { return keyword }
            index = (index + 1) & 1023
        }
        return nil
    }
}
