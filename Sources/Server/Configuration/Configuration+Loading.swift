// SPDX-License-Identifier: Apache-2.0

import Yams

extension Configuration {
    /// A configuration made of what a tholos.yaml says over the defaults.
    ///
    /// - Parameters:
    ///   - yaml: What stands in the file.
    ///   - file: The file's name, for messages.
    /// - Throws: `ConfigurationError` for the first thing that is wrong: the file isn't YAML, a name
    ///   is unknown or stands twice, a value is malformed or out of range, two settings contradict.
    package init(yaml: String, file: String) throws(ConfigurationError) {
        self.init()
        var lines: [String: Int] = [:]
        for (key, value) in try Self.pairs(yaml: yaml, file: file) {
            let origin = ConfigurationError.Origin.line(file: file, line: key.mark?.line ?? 1)
            guard let name = key.scalar?.string else {
                throw ConfigurationError(origin: origin, problem: "a setting's name is a word")
            }
            guard let setting = Setting.named(name) else {
                throw ConfigurationError(origin: origin, problem: Self.unknown(name))
            }
            guard let scalar = value.scalar, !scalar.isAbsent else {
                let what = value.scalar == nil ? "has a list or a mapping" : "has no value"
                throw ConfigurationError(
                    origin: origin,
                    problem: "\(name) \(what), but takes \(setting.allowed); the default is "
                        + setting.defaultText
                )
            }
            try set(name, to: scalar.string, origin: origin)
            lines[name] = origin.lineNumber
        }
        try checkRelations { .line(file: file, line: lines[$0] ?? lines[$1] ?? 1) }
    }

    /// Changes one setting, as an option of the command line does over the file.
    ///
    /// - Throws: `ConfigurationError` when there is no such setting or the value isn't allowed.
    package mutating func set(
        _ name: String,
        to text: String,
        origin: ConfigurationError.Origin
    ) throws(ConfigurationError) {
        guard let setting = Setting.named(name) else {
            throw ConfigurationError(origin: origin, problem: Self.unknown(name))
        }
        do {
            try setting.change(&self, text)
        } catch {
            throw ConfigurationError(
                origin: origin,
                problem: "\(name): \"\(text.prefix(80))\" \(error.reason); it takes "
                    + "\(setting.allowed); the default is \(setting.defaultText)"
            )
        }
    }

    /// Checks what two settings say together; to be called again after options were applied.
    ///
    /// - Parameter origin: Where the first of two settings was given, or else the second.
    package func checkRelations(
        origin: (_ first: String, _ second: String) -> ConfigurationError.Origin
    ) throws(ConfigurationError) {
        func require(
            _ holds: Bool,
            _ first: String,
            _ words: String,
            _ second: String
        ) throws(ConfigurationError) {
            guard !holds else { return }
            let values = [first, second].compactMap { Setting.named($0)?.text(self) }
            throw ConfigurationError(
                origin: origin(first, second),
                problem: "\(first) (\(values[0])) \(words) \(second) (\(values[1]))"
            )
        }
        try require(
            statementSizeMax <= nativeTransportFrameSizeMax,
            "cql_statement_size_max",
            "is larger than",
            "native_transport_max_frame_size"
        )
        try require(
            nativeTransportPort == 0 || nativeTransportPort != nativeTransportPortShardAware,
            "native_transport_port_shard_aware",
            "is the same as",
            "native_transport_port"
        )
        for port in ["native_transport_port", "native_transport_port_shard_aware"] {
            let own = port == "native_transport_port" ? nativeTransportPort : nativeTransportPortShardAware
            try require(adminPort == 0 || adminPort != own, "admin_port", "is the same as", port)
        }
    }

    private static func pairs(
        yaml: String,
        file: String
    ) throws(ConfigurationError) -> [(key: Yams.Node, value: Yams.Node)] {
        let root: Yams.Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw ConfigurationError(yamlError: error, yaml: yaml, file: file)
        }
        // A file in which everything is commented out is the defaults.
        guard let root, root.scalar?.isAbsent != true else { return [] }
        guard let mapping = root.mapping else {
            throw ConfigurationError(
                origin: .line(file: file, line: root.mark?.line ?? 1),
                problem: "expected settings, one a line, such as cluster_name: Tholos"
            )
        }
        return Array(mapping)
    }

    private static func unknown(_ name: String) -> String {
        let meant = Setting.nameMeant(by: name).map { "; did you mean \($0)?" }
        return "there is no setting \"\(name.prefix(80))\""
            + (meant ?? "; conf/tholos.yaml lists all of them")
    }
}

extension ConfigurationError {
    fileprivate init(yamlError: any Error, yaml: String, file: String) {
        var line = 1
        var problem = "this isn't YAML"
        switch yamlError as? YamlError {
        case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _),
            .composer(_, let text, let mark, _):
            (line, problem) = (mark.line, "this isn't YAML: \(text)")
        case .reader(let text, let offset, _, _):
            let before = offset.map { yaml.prefix($0) } ?? ""
            (line, problem) = (before.count { $0.isNewline } + 1, "this isn't YAML: \(text)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let name = duplicates.min() ?? ""
            let lines = yaml.split(omittingEmptySubsequences: false) { $0.isNewline }
            let places = lines.indices.filter { lines[$0].hasPrefix("\(name):") }.map { $0 + 1 }
            line = places.last ?? context.mark.line
            problem = "\(name) is already set"
            if let first = places.first, first < line { problem += " on line \(first)" }
        default:
            break
        }
        self.init(origin: .line(file: file, line: line), problem: problem)
    }
}

extension ConfigurationError.Origin {
    fileprivate var lineNumber: Int? {
        if case .line(_, let line) = self { line } else { nil }
    }
}

extension Yams.Node.Scalar {
    /// Whether nothing, `~` or `null` stands there, without quotes.
    fileprivate var isAbsent: Bool {
        style == .plain && ["", "~", "null", "Null", "NULL"].contains(string)
    }
}
