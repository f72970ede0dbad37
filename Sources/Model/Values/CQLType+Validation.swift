// SPDX-License-Identifier: Apache-2.0

package import Bytes

extension CQLType {
    /// Why the bytes aren't a serialized value of the type, in words; nil if they are one.
    ///
    /// As in Cassandra, no bytes are valid except for `tinyint`, `smallint`, `date`, `time`,
    /// `duration`, lists, sets and maps. A `varint` or `decimal` is limited to `BigInteger.bytesMax`.
    package func validate(_ value: ByteView) -> String? {
        switch self {
        case .int, .float: value.count == 4 || value.isEmpty ? nil : wrongLength(value, "4")
        case .bigint, .counter, .timestamp, .double:
            value.count == 8 || value.isEmpty ? nil : wrongLength(value, "8")
        case .text: value.firstInvalidUTF8Index.map { "invalid UTF-8 at byte \($0) of a text" }
        case .ascii: validateASCII(value)
        case .blob: nil
        case .boolean: value.count <= 1 ? nil : wrongLength(value, "1")
        case .tinyint: value.count == 1 ? nil : wrongLength(value, "1")
        case .smallint: value.count == 2 ? nil : wrongLength(value, "2")
        case .date: value.count == 4 ? nil : wrongLength(value, "4")
        case .uuid: value.count == 16 || value.isEmpty ? nil : wrongLength(value, "16")
        case .inet:
            value.count == 4 || value.count == 16 || value.isEmpty
                ? nil : wrongLength(value, "4 or 16")
        case .time: validateTime(value)
        case .timeuuid: validateTimeUUID(value)
        case .duration: CQLDuration.validate(value)
        case .varint: validateNumber(value, bytesMin: 0)
        case .decimal: validateNumber(value, bytesMin: 4)
        case .list, .set, .map, .tuple: validateComposed(value)
        }
    }

    @inline(never)
    private func wrongLength(_ value: ByteView, _ expected: String) -> String {
        "expected \(expected) byte\(expected == "1" ? "" : "s") for \(self) but got \(value.count)"
    }

    private func validateASCII(_ value: ByteView) -> String? {
        let index = value.firstNonASCIIIndex()
        return index == value.count ? nil : "byte \(index) of an ascii text isn't ASCII"
    }

    private func validateTime(_ value: ByteView) -> String? {
        guard let nanoseconds = Int64(cql: value) else { return wrongLength(value, "8") }
        if nanoseconds >= 0, nanoseconds < TimeOfDay.nanosecondsPerDay { return nil }
        return "\(nanoseconds) is out of range for time"
            + " (0 to \(TimeOfDay.nanosecondsPerDay - 1) nanoseconds)"
    }

    private func validateTimeUUID(_ value: ByteView) -> String? {
        guard value.count == 16 else { return value.isEmpty ? nil : wrongLength(value, "16") }
        let version = value[6] >> 4
        return version == 1 ? nil : "expected a UUID of version 1 for timeuuid but got \(version)"
    }

    private func validateNumber(_ value: ByteView, bytesMin: Int) -> String? {
        if value.count > BigInteger.bytesMax + bytesMin {
            return "\(self) of \(value.count) bytes is too large: at most"
                + " \(BigInteger.bytesMax + bytesMin) bytes (about \(BigInteger.digitsMax) digits)"
        }
        if value.count >= bytesMin || value.isEmpty { return nil }
        return "expected at least \(bytesMin) bytes for \(self) but got \(value.count)"
    }

    // MARK: - Collections and tuples

    private func validateComposed(_ value: ByteView) -> String? {
        do throws(MalformedBytes) {
            switch self {
            case .list(let element, _), .set(let element, _):
                return try validateElements(ElementReader(collection: value), types: [element])
            case .map(let key, let mapped, _):
                return try validateElements(ElementReader(map: value), types: [key, mapped])
            case .tuple(let types): return try validateFields(value, types: types)
            default: return nil
            }
        } catch {
            return "not enough bytes for \(self): expected \(error.expected)"
                + " at byte \(error.offset)"
        }
    }

    private func validateElements(
        _ elements: ElementReader,
        types: [CQLType]
    ) throws(MalformedBytes) -> String? {
        var elements = elements
        var index = 0
        while !elements.isAtEnd {
            guard let element = try elements.next() else {
                return "null isn't allowed inside of \(self)"
            }
            if let reason = types[index % types.count].validate(element) {
                return "\(reason) (in \(self))"
            }
            index += 1
        }
        return elements.hasBytesLeft ? "extra bytes after \(self)" : nil
    }

    private func validateFields(
        _ value: ByteView,
        types: [CQLType]
    ) throws(MalformedBytes) -> String? {
        var fields = ElementReader(tuple: value)
        for (index, type) in types.enumerated() {
            if fields.isAtEnd { return nil }
            guard let field = try fields.next() else { continue }
            if let reason = type.validate(field) {
                return "\(reason) (in field \(index) of \(self))"
            }
        }
        return fields.hasBytesLeft ? "extra bytes after the \(types.count) fields of \(self)" : nil
    }
}
