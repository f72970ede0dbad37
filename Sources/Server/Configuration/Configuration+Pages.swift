// SPDX-License-Identifier: Apache-2.0

extension Configuration {
    /// What conf/tholos.yaml holds: every setting with its sentence and, commented out, its default.
    package static var sampleFile: String {
        var text = """
            # The settings of a Tholos node, each with its default: tholos serve --config FILE
            #
            # Remove the "#" in front of a line to change it. Sizes are written like 32MiB and durations
            # like 100ms or 10s. An unknown name or a value that isn't allowed is an error that names the
            # line. Options of the command line win over this file.

            """
        for section in Setting.sections {
            text += "\n## \(section.title)\n"
            for setting in section.settings {
                text += "\n" + wrapped(setting.sentence, prefix: "# ")
                if setting.allowed != "a text" {
                    text += wrapped("Takes \(setting.allowed).", prefix: "# ")
                }
                text += "# \(setting.name): \(setting.defaultText)\n"
            }
        }
        return text
    }

    /// What docs/configuration.md holds.
    package static var page: String {
        var text = """
            # Configuration

            `tholos serve` needs no configuration. A file given with `--config FILE` (a sample with every default is
            [conf/tholos.yaml](../conf/tholos.yaml)) changes settings, and options of the command line win over it. An
            unknown name, a malformed value, or one outside of its range is an error that names the line, and the node
            doesn't start.

            Names are Cassandra's where the meaning is the same. This page is made from the table in
            `Sources/Server/Configuration/Setting+All.swift`; a test keeps them equal.

            """
        for section in Setting.sections {
            text += "\n## \(section.title)\n\n| setting | default | what it does | takes |\n"
            text += "|---|---|---|---|\n"
            for setting in section.settings {
                text += "| `\(setting.name)` | `\(setting.defaultText)` | \(setting.sentence) "
                text += "| \(setting.allowed) |\n"
            }
        }
        return text
    }

    private static func wrapped(_ text: String, prefix: String) -> String {
        var result = prefix
        var width = prefix.count
        for word in text.split(separator: " ") {
            if width + word.count > 98 {
                result += "\n" + prefix
                width = prefix.count
            }
            let gap = width == prefix.count ? "" : " "
            result += gap + word
            width += gap.count + word.count
        }
        return result + "\n"
    }
}
