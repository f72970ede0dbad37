// SPDX-License-Identifier: Apache-2.0

package import Model

/// Why a `cassandra-rackdc.properties` can't be used.
package enum RackPropertiesError: Error, Hashable, CustomStringConvertible {
    /// `key` isn't there, or nothing stands behind it.
    case missing(key: String)
    /// A line without `=`; counted from 1.
    case malformed(line: Int, text: String)
    /// A key for the second time.
    case repeated(line: Int, key: String)
    /// `prefer_local` is neither true nor false.
    case notBoolean(line: Int, key: String, value: String)
    /// A name that is too long, or holds what isn't printable.
    case badName(line: Int, key: String)

    package var description: String {
        switch self {
        case .missing(let key):
            "the rack properties have no \(key): add a line \(key)=NAME"
        case .malformed(let line, let text):
            "line \(line) of the rack properties is neither KEY=VALUE nor a comment: \(text)"
        case .repeated(let line, let key):
            "line \(line) of the rack properties sets \(key) again: remove one of the two lines"
        case .notBoolean(let line, let key, let value):
            "line \(line) of the rack properties: \(key) must be true or false, not \(value)"
        case .badName(let line, let key):
            "line \(line) of the rack properties: \(key) must be a printable name of at most"
                + " \(RackProperties.nameBytesMax) bytes"
        }
    }
}

/// Where a node stands, as a file says it that GossipingPropertyFileSnitch reads.
///
///     # comment
///     dc=dc1
///     rack=rack1
///     prefer_local=true
///
/// Keys of other snitches are allowed and have no effect.
package struct RackProperties: Hashable, Sendable {
    /// The longest name of a data center or rack.
    package static let nameBytesMax = 255

    package let location: NodeLocation
    /// Whether nodes of the data center are reached under their local addresses.
    package let prefersLocal: Bool
    /// `dc_suffix`: for the snitches of clouds.
    ///
    /// It isn't part of the data center's name here.
    package let dataCenterSuffix: String
    /// Other keys that the file has, in order: no effect, and perhaps a slip of the pen.
    package let unknownKeys: [String]

    package init(parsing text: String) throws(RackPropertiesError) {
        var values: [String: (line: Int, value: String)] = [:]
        var unknown: [String] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, content) in lines.enumerated() {
            let text = content.trimmed
            guard let first = text.first, first != "#", first != "!" else { continue }
            guard let separator = text.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
                throw .malformed(line: index + 1, text: String(text.prefix(80)))
            }
            let key = String(text[..<separator].trimmed)
            let value = String(text[text.index(after: separator)...].trimmed)
            guard values[key] == nil else { throw .repeated(line: index + 1, key: key) }
            values[key] = (index + 1, value)
            if !Self.knownKeys.contains(key) { unknown.append(key) }
        }
        location = NodeLocation(
            dataCenter: try Self.name("dc", values),
            rack: try Self.name("rack", values)
        )
        switch values["prefer_local"] {
        case nil, (_, "false")?, (_, "")?:
            prefersLocal = false
        case (_, "true")?:
            prefersLocal = true
        case let (line, value)?:
            throw .notBoolean(line: line, key: "prefer_local", value: value)
        }
        dataCenterSuffix = values["dc_suffix"]?.value ?? ""
        unknownKeys = unknown
    }

    private static let knownKeys = ["dc", "rack", "prefer_local", "dc_suffix"]

    private static func name(
        _ key: String,
        _ values: [String: (line: Int, value: String)]
    ) throws(RackPropertiesError) -> String {
        guard let (line, value) = values[key], !value.isEmpty else { throw .missing(key: key) }
        let isPrintable = value.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isPrintable, value.utf8.count <= nameBytesMax else {
            throw .badName(line: line, key: key)
        }
        return value
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = self.drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}
