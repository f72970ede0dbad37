// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Environment

/// The bytes of a record log: what the commit log and the manifest are written in. Written by
/// `RecordLogFormat`, read by `RecordLogReader`, specified in docs/formats/commitlog.md.
///
///     file    = header record* zeros
///     header  = magic (8) version (4) flags (4) segment (8) salt (8) checksum (8)
///     record  = checksum (8) length (4) durable (4) payload (length)
///
/// Numbers are little-endian. A record's checksum is seeded with the file's random salt and the
/// record's offset, so that a record of another file or place never validates. `durable` is an
/// offset before which everything was on disk when the record was written: damage in front of it
/// cannot be the trace of a power loss.
package enum RecordLogFormat {
    /// What a log holds, told by the first bytes of each file.
    package enum Kind: Sendable, Equatable, CaseIterable {
        case commitLog
        case manifest
        /// The node's metadata log.
        case metadata
        /// What the node knows of the cluster's metadata log.
        case cluster
        /// Writes that another node has missed.
        case hints

        /// The first eight bytes of a file.
        var magic: [UInt8] {
            switch self {
            case .commitLog: Array("TholosCL".utf8)
            case .manifest: Array("TholosMF".utf8)
            case .metadata: Array("TholosML".utf8)
            case .cluster: Array("TholosCM".utf8)
            case .hints: Array("TholosHT".utf8)
            }
        }

        /// The name in messages.
        var name: String {
            switch self {
            case .commitLog: "commit log"
            case .manifest: "manifest"
            case .metadata: "metadata log"
            case .cluster: "cluster log"
            case .hints: "hints"
            }
        }
    }

    /// What a file says of itself.
    package struct Header: Sendable, Equatable {
        package let kind: Kind
        /// The number of the file in its log.
        package let segment: UInt64
        /// A random number that no other file has.
        package let salt: UInt64
        /// Whether no file of the same run of the process comes before it: the one before it may
        /// then have the torn tail of a power loss.
        package let startsRun: Bool

        package init(kind: Kind, segment: UInt64, salt: UInt64, startsRun: Bool) {
            self.kind = kind
            self.segment = segment
            self.salt = salt
            self.startsRun = startsRun
        }
    }

    /// The version that this code writes and reads.
    static let version: UInt32 = 1
    /// The size of the file header, in bytes.
    package static let headerSize = 40
    /// What a record takes beside its payload, in bytes.
    package static let recordOverhead = 16
    /// The only flag: `Header.startsRun`.
    static let startsRunFlag: UInt32 = 1

    /// Appends a file header.
    package static func append(_ header: Header, to writer: inout ByteWriter) {
        let start = writer.count
        writer.append(header.kind.magic)
        writer.appendLittleEndian(version)
        writer.appendLittleEndian(header.startsRun ? startsRunFlag : 0)
        writer.appendLittleEndian(header.segment)
        writer.appendLittleEndian(header.salt)
        writer.appendLittleEndian(Checksum.xxh3(writer.view.dropFirst(start)))
    }

    /// Appends a record that will stand at `offset` of a file with `salt`. An empty payload makes a
    /// seal: a record that only says what is durable.
    package static func appendRecord(
        _ payload: ByteView,
        salt: UInt64,
        offset: Int,
        durable: Int,
        to writer: inout ByteWriter
    ) {
        invariant(durable <= offset && offset + payload.count < Int(UInt32.max), "log too large")
        let start = writer.count
        writer.reserve(recordOverhead + payload.count)
        writer.appendLittleEndian(UInt64(0))
        writer.appendLittleEndian(UInt32(payload.count))
        writer.appendLittleEndian(UInt32(durable))
        writer.append(payload)
        let body = writer.view.dropFirst(start + 8)
        let checksum = Checksum.xxh3(body, seed: seed(salt: salt, offset: offset))
        writer.putLittleEndian(checksum, at: start)
    }

    /// The seed of the checksum of a record at `offset`.
    static func seed(salt: UInt64, offset: Int) -> UInt64 {
        salt &+ UInt64(offset) &* 0x9e37_79b9_7f4a_7c15
    }
}
