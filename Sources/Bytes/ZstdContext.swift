// SPDX-License-Identifier: Apache-2.0

private import CZstd
import Glibc

/// A context for each thread that compresses or decompresses: making one costs more than a small block
/// does. It is freed when the thread ends.
enum ZstdContext {
    private static let compressingKey = makeKey { ZSTD_freeCCtx(OpaquePointer($0)) }
    private static let decompressingKey = makeKey { ZSTD_freeDCtx(OpaquePointer($0)) }

    /// The thread's `ZSTD_CCtx`.
    static var compressing: OpaquePointer {
        current(compressingKey) { ZSTD_createCCtx() }
    }

    /// The thread's `ZSTD_DCtx`.
    static var decompressing: OpaquePointer {
        current(decompressingKey) { ZSTD_createDCtx() }
    }

    private static func current(
        _ key: pthread_key_t,
        _ make: () -> OpaquePointer?
    ) -> OpaquePointer {
        if let context = pthread_getspecific(key) { return OpaquePointer(context) }
        guard let context = make() else { invariantFailure("no memory for zstd") }
        invariant(
            pthread_setspecific(key, UnsafeRawPointer(context)) == 0,
            "no memory for zstd"
        )
        return context
    }

    private static func makeKey(
        _ free: @convention(c) (UnsafeMutableRawPointer?) -> Void
    ) -> pthread_key_t {
        var key = pthread_key_t()
        invariant(pthread_key_create(&key, free) == 0, "the process has no thread keys left")
        return key
    }
}
