// SPDX-License-Identifier: Apache-2.0

/// The first eight bytes of a UUID, rearranged to sort as Cassandra sorts them, and back.
enum UUIDOrder {
    /// `uuid`: the version first; then version 1 by its time, others by their bytes.
    static func sortable(uuid high: UInt64) -> UInt64 {
        let version = high >> 12 & 0xF
        if version == 1 { return sortable(timeuuid: high) }
        return version << 60 | (high >> 16) << 12 | high & 0xFFF
    }

    /// The inverse of `sortable(uuid:)`.
    static func original(uuid sortable: UInt64) -> UInt64 {
        let version = sortable >> 60
        if version == 1 { return original(timeuuid: sortable) }
        return ((sortable << 4) >> 16) << 16 | version << 12 | sortable & 0xFFF
    }

    /// `timeuuid`: the version, then the time's high, middle and low part.
    static func sortable(timeuuid high: UInt64) -> UInt64 {
        high << 48 | (high >> 16 & 0xFFFF) << 32 | high >> 32
    }

    /// The inverse of `sortable(timeuuid:)`.
    static func original(timeuuid sortable: UInt64) -> UInt64 {
        sortable << 32 | (sortable >> 32 & 0xFFFF) << 16 | sortable >> 48
    }

    /// Flips the sign of each of the last eight bytes of a `timeuuid`, which compare as signed.
    static let signedBytes: UInt64 = 0x8080_8080_8080_8080
}

/// The bits of floating-point numbers as unsigned integers in Java's order: -0.0 before 0.0, and NaN,
/// which has one form, behind everything.
enum FloatOrder {
    static func sortable(_ bits: UInt32) -> UInt32 {
        if bits & 0x7FFF_FFFF > 0x7F80_0000 { return 0x7FC0_0000 ^ 0x8000_0000 }
        return bits >> 31 == 1 ? ~bits : bits ^ 0x8000_0000
    }

    static func original(_ sortable: UInt32) -> UInt32 {
        sortable >> 31 == 1 ? sortable ^ 0x8000_0000 : ~sortable
    }

    static func sortable(_ bits: UInt64) -> UInt64 {
        if bits << 1 > 0x7FF0_0000_0000_0000 << 1 { return 0x7FF8_0000_0000_0000 ^ 1 << 63 }
        return bits >> 63 == 1 ? ~bits : bits ^ 1 << 63
    }

    static func original(_ sortable: UInt64) -> UInt64 {
        sortable >> 63 == 1 ? sortable ^ 1 << 63 : ~sortable
    }
}
