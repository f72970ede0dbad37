// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Storage

/// Opens files for reports, and reports those that can't be opened.
struct SSTableOpening {
    let fileSystem: any FileSystem
    let output: ReportOutput
    let isJSON: Bool

    /// The open file; nil when it can't be read, which is then reported.
    ///
    /// A file that a running node has removed since it was listed is passed over without a word.
    func open(_ path: String, isSound: inout Bool) -> SSTableReader? {
        do throws(StorageError) {
            return try SSTableReader.open(fileSystem: fileSystem, path: path)
        } catch {
            if case .file(let file) = error, file.reason == .notFound { return nil }
            isSound = false
            report(path, error)
            return nil
        }
    }

    /// Reports a problem with a file.
    func report(_ path: String, _ error: StorageError) {
        if isJSON {
            output.line(JSON.object([("file", .text(path)), ("error", error.json)]).line)
        } else {
            output.line("\(path): \(error)")
        }
    }
}

extension StorageError {
    /// The error with its parts.
    var json: JSON {
        switch self {
        case .corruption(let error):
            var members: [(String, JSON)] = [
                ("kind", .text("damage")), ("offset", .count(error.offset)),
                ("length", .count(error.length)), ("expected", .text(error.expected)),
                ("found", .text(error.found)), ("advice", .text(error.advice)),
            ]
            if let keys = error.keys {
                members.append(("firstKey", .text(Hexadecimal.text(keys.first))))
                members.append(("lastKey", .text(Hexadecimal.text(keys.last))))
            }
            return .object(members)
        case .unsupported(let error):
            return .object([("kind", .text("unsupported")), ("message", .text(error.description))])
        default: return .object([("kind", .text("file")), ("message", .text(description))])
        }
    }
}

/// Bytes as digits.
enum Hexadecimal {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
