// SPDX-License-Identifier: Apache-2.0

private import CZstd

/// A trained dictionary for `Codec.zstd`: what small blocks of one kind have in common.
///
/// Digested once, for reading and, with a level, for writing; then shared by all threads.
package final class ZstdDictionary: @unchecked Sendable {  // Immutable after `init`.
    /// As it is stored.
    package let bytes: [UInt8]
    /// The number by which compressed blocks name it.
    package let id: UInt32
    private let decompression: OpaquePointer
    private let compression: OpaquePointer?

    /// No dictionary is longer.
    package static let countMax = 1 << 20

    /// Digests untrusted `bytes`; nil when they are no trained dictionary.
    ///
    /// - Parameter compressionLevel: the level for writing; nil for a dictionary that only reads.
    package init?(_ bytes: ByteView, compressionLevel: Int? = nil) {
        guard bytes.count <= ZstdDictionary.countMax else { return nil }
        let id = ZDICT_getDictID(bytes.base, bytes.count)
        guard id != 0, let digested = ZSTD_createDDict(bytes.base, bytes.count) else { return nil }
        var compression: OpaquePointer?
        if let compressionLevel {
            compression = ZSTD_createCDict(bytes.base, bytes.count, Int32(compressionLevel))
            guard compression != nil else {
                ZSTD_freeDDict(digested)
                return nil
            }
        }
        self.bytes = bytes.array
        self.id = id
        self.decompression = digested
        self.compression = compression
    }

    deinit {
        ZSTD_freeDDict(decompression)
        ZSTD_freeCDict(compression)
    }

    /// The memory that it takes, in bytes.
    package var memoryCount: Int {
        bytes.count + ZSTD_sizeof_DDict(decompression) + ZSTD_sizeof_CDict(compression)
    }

    /// Trains a dictionary of at most `count` bytes.
    ///
    /// `samples` are the contents of blocks, one after the other, `sizes` their lengths.
    ///
    /// - Returns: nil when the samples are too few, or have nothing in common.
    package static func train(
        _ samples: ByteView,
        sizes: [Int],
        count: Int,
        compressionLevel: Int
    ) -> ZstdDictionary? {
        invariant(sizes.reduce(0, +) == samples.count, "samples and their sizes")
        guard count >= 256, sizes.count >= 8 else { return nil }
        var writer = ByteWriter(capacity: count)
        writer.append(upTo: min(count, countMax)) { target in
            let length = ZDICT_trainFromBuffer(
                target.baseAddress,
                target.count,
                samples.base,
                sizes,
                UInt32(sizes.count)
            )
            return ZDICT_isError(length) == 0 ? length : 0
        }
        return ZstdDictionary(writer.view, compressionLevel: compressionLevel)
    }

    /// Compresses; the length, or nil when the target is too small.
    func compress(_ source: ByteView, into target: UnsafeMutableRawBufferPointer) -> Int? {
        guard let compression else { invariantFailure("a dictionary without a level compresses") }
        let length = ZSTD_compress_usingCDict(
            ZstdContext.compressing,
            target.baseAddress,
            target.count,
            source.base,
            source.count,
            compression
        )
        return ZSTD_isError(length) == 0 ? length : nil
    }

    /// Decompresses; the length, or nil when the source is damaged or longer than the target.
    func decompress(_ source: ByteView, into target: UnsafeMutableRawBufferPointer) -> Int? {
        let length = ZSTD_decompress_usingDDict(
            ZstdContext.decompressing,
            target.baseAddress,
            target.count,
            source.base,
            source.count,
            decompression
        )
        return ZSTD_isError(length) == 0 ? length : nil
    }
}
