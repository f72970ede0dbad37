// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Glibc

/// A client that is nothing but a socket: it can misbehave.
final class RawClient {
    struct Failure: Error { let what: String }

    private let socket: CInt
    private(set) var localPort = 0
    private var decoder = FrameDecoder(role: .client)
    private var encoder = FrameEncoder(version: .v5)

    /// Connects from `localPort`, or from any port if it is 0.
    init(port: Int, localPort: Int = 0) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        // Only so that a lost answer ends the test: answers from a task wait while other tests keep
        // the threads that tasks share.
        var timeout = timeval(tv_sec: 300, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        if localPort != 0 {
            guard RawClient.call(bind, socket, localPort) == 0 else { throw Failure(what: "bind") }
        }
        guard RawClient.call(connect, socket, port) == 0 else { throw Failure(what: "connect") }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &length)
            }
        }
        self.localPort = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(socket) }

    private static func call(
        _ function: (CInt, UnsafePointer<sockaddr>?, socklen_t) -> CInt,
        _ socket: CInt,
        _ port: Int
    ) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                function(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Sends bytes as they are.
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    socket,
                    buffer.baseAddress.map { $0 + sent },
                    bytes.count - sent,
                    Int32(MSG_NOSIGNAL)
                )
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Sends requests together, on streams counted from `stream`.
    func send(_ requests: [Request], stream: Int16 = 0) {
        for (index, request) in requests.enumerated() {
            encoder.add(request, stream: stream + Int16(index))
        }
        send(encoder.withOutput { $0.array })
    }

    /// The next frame; nil when the server has closed.
    func frame() throws -> Frame? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let frame = try decoder.next() { return frame }
            let count = recv(socket, &buffer, buffer.count, 0)
            if count == 0 { return nil }
            guard count > 0 else { throw Failure(what: "recv: errno \(errno)") }
            buffer.withView { decoder.append($0.prefix(count)) }
        }
    }

    /// The next message; an error if the server has closed.
    func receive() throws -> ResponseMessage {
        guard let frame = try frame() else { throw Failure(what: "the server closed") }
        return try ResponseMessage(frame)
    }

    /// Sends one request and waits for its answer.
    func ask(_ request: Request, stream: Int16 = 0) throws -> Response {
        send([request], stream: stream)
        return try receive().response
    }

    /// Sends STARTUP and switches to what was agreed.
    func start(_ version: ProtocolVersion, codec: Codec = .none) throws {
        encoder.negotiate(version: version, codec: .none)
        var options = ["CQL_VERSION": "3.0.0"]
        if codec != .none { options["COMPRESSION"] = codec.name }
        guard case .ready = try ask(.startup(options)) else { throw Failure(what: "not ready") }
        encoder.negotiate(version: version, codec: codec)
        decoder.negotiate(version: version, codec: codec)
        if version == .v5 {
            encoder.beginSegments()
            decoder.beginSegments()
        }
    }

    /// Says that nothing more will be sent.
    func closeOutput() { shutdown(socket, Int32(SHUT_WR)) }
}
