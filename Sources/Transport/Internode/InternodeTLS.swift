// SPDX-License-Identifier: Apache-2.0

internal import NIOSSL

/// With what a node shows the others who it is, and knows them: files in PEM.
package struct InternodeCertificates: Hashable, Sendable {
    /// Its own certificate, followed by those between it and the authority's, if any.
    package var certificate: String
    /// The private key of its certificate.
    package var key: String
    /// The certificates of those who sign nodes' certificates.
    package var authority: String

    package init(certificate: String, key: String, authority: String) {
        self.certificate = certificate
        self.key = key
        self.authority = authority
    }
}

/// TLS between nodes: version 1.3, and each side has to show a certificate that the authority has signed. Names
/// in certificates aren't compared with addresses: who has a certificate of the authority is a node.
final class InternodeTLS: Sendable {
    let client: NIOSSLContext
    let server: NIOSSLContext

    /// - Throws: `TransportError` that names the file that can't be used.
    init(_ files: InternodeCertificates) throws {
        let chain = try Self.read(files.certificate, "internode_certificate") {
            try NIOSSLCertificate.fromPEMFile($0).map { NIOSSLCertificateSource.certificate($0) }
        }
        let key = try Self.read(files.key, "internode_key") { try NIOSSLPrivateKey(file: $0, format: .pem) }
        let authority = try Self.read(files.authority, "internode_authority") {
            try NIOSSLCertificate.fromPEMFile($0)
        }
        var server = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain,
            privateKey: .privateKey(key),
            trustRoots: .certificates(authority)
        )
        server.minimumTLSVersion = .tlsv13
        var client = TLSConfiguration.makeClientConfiguration()
        client.minimumTLSVersion = .tlsv13
        client.certificateVerification = .noHostnameVerification
        client.trustRoots = .certificates(authority)
        client.certificateChain = chain
        client.privateKey = .privateKey(key)
        do {
            self.server = try NIOSSLContext(configuration: server)
            self.client = try NIOSSLContext(configuration: client)
        } catch {
            throw TransportError(
                "internode_certificate \(files.certificate) and internode_key \(files.key) don't belong"
                    + " together: \(error)"
            )
        }
    }

    private static func read<Value>(
        _ path: String,
        _ setting: String,
        _ body: (String) throws -> Value
    ) throws -> Value {
        do {
            return try body(path)
        } catch {
            throw TransportError("\(setting): \(path) can't be read as PEM: \(error)")
        }
    }

    /// Why a connection isn't to be had, in words for who set the cluster up; nil for errors that aren't of TLS,
    /// or that tell only of a connection's end.
    static func reason(_ error: any Error) -> String? {
        guard let error = error as? NIOSSLError, case .handshakeFailed = error else {
            return (error as? BoringSSLError).map { explained("\($0)") }
        }
        return explained("\(error)")
    }

    /// BoringSSL's names for the failures that settings cause, and what they mean here.
    private static func explained(_ text: String) -> String {
        let meanings = [
            ("CERTIFICATE_VERIFY_FAILED", "its certificate has expired, or isn't signed by this node's internode_authority"),
            ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it shows no certificate"),
            ("WRONG_VERSION_NUMBER", "it doesn't speak TLS: set internode_encryption alike on all nodes"),
            ("NO_COMMON_SIGNATURE_ALGORITHMS", "its certificate or this node's has a key that isn't ECDSA or RSA"),
            ("ALERT_HANDSHAKE_FAILURE", "it refuses this node's certificate, or has none that can be used: see what it says"),
            ("UNSUPPORTED_PROTOCOL", "it speaks no TLS 1.3"),
            ("ALERT_UNKNOWN_CA", "it doesn't know who signed this node's certificate: see its internode_authority"),
            ("ALERT_CERTIFICATE_EXPIRED", "this node's certificate has expired"),
            ("ALERT_BAD_CERTIFICATE", "it refuses this node's certificate"),
        ]
        return meanings.first { text.contains($0.0) }?.1 ?? text
    }
}
