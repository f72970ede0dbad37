// SPDX-License-Identifier: Apache-2.0

private import CLZ4
private import CSnappy
private import CZstd

/// How a block or a frame's body is compressed. The raw values are part of the SSTable format.
package enum Codec: UInt8, Sendable, CaseIterable {
    case none = 0
    case lz4 = 1
    case snappy = 2
    case zstd = 3

    /// The name that tools show.
    package var name: String {
        switch self {
        case .none: "none"
        case .lz4: "lz4"
        case .snappy: "snappy"
        case .zstd: "zstd"
        }
    }
}

extension Codec {
    /// The most bytes that compressing `count` bytes can yield.
    package func compressedCountMax(_ count: Int) -> Int {
        switch self {
        case .none: count
        case .lz4: Int(LZ4_compressBound(Int32(count)))
        case .snappy: snappy_max_compressed_length(count)
        case .zstd: ZSTD_compressBound(count)
        }
    }

    /// Appends the compressed form of `source` (raw: the decompressed size is not included) and
    /// returns its length. `source` is at most 1 GiB.
    ///
    /// `dictionary` has the level in it; it is for zstd.
    @discardableResult
    package func compress(
        _ source: ByteView,
        into writer: inout ByteWriter,
        level: Int = 1,
        dictionary: ZstdDictionary? = nil
    ) -> Int {
        invariant(source.count <= 1 << 30, "compression of more than 1 GiB")
        let before = writer.count
        guard self != .none else {
            writer.append(source)
            return source.count
        }
        writer.append(upTo: compressedCountMax(source.count)) { target in
            let to = target.baseAddress!.assumingMemoryBound(to: CChar.self)
            let from = source.base.assumingMemoryBound(to: CChar.self)
            switch self {
            case .none:
                return 0
            case .lz4:
                return Int(LZ4_compress_default(from, to, Int32(source.count), Int32(target.count)))
            case .snappy:
                var length = target.count
                let status = snappy_compress(from, source.count, to, &length)
                invariant(status == SNAPPY_OK, "snappy refused to compress")
                return length
            case .zstd:
                if let dictionary {
                    let length = dictionary.compress(source, into: target)
                    invariant(length != nil, "zstd refused to compress with a dictionary")
                    return length ?? 0
                }
                let length = ZSTD_compressCCtx(
                    ZstdContext.compressing,
                    to,
                    target.count,
                    from,
                    source.count,
                    Int32(level)
                )
                invariant(ZSTD_isError(length) == 0, "zstd refused to compress")
                return length
            }
        }
        return writer.count - before
    }

    /// Decompresses untrusted `source` into `target`, which must be exactly of the original's size.
    ///
    /// `dictionary` is that with which it may have been compressed, for zstd.
    ///
    /// - Returns: false when `source` is damaged or its content has another size.
    package func decompress(
        _ source: ByteView,
        into target: UnsafeMutableRawBufferPointer,
        dictionary: ZstdDictionary? = nil
    ) -> Bool {
        guard source.count <= Int(Int32.max), target.count <= Int(Int32.max) else { return false }
        guard let base = target.baseAddress else { return target.count == 0 && source.count <= 1 }
        let to = base.assumingMemoryBound(to: CChar.self)
        let from = source.base.assumingMemoryBound(to: CChar.self)
        switch self {
        case .none:
            guard source.count == target.count else { return false }
            base.copyMemory(from: source.base, byteCount: source.count)
            return true
        case .lz4:
            let length = LZ4_decompress_safe(from, to, Int32(source.count), Int32(target.count))
            return Int(length) == target.count
        case .snappy:
            return SnappyDecoder.decode(source, into: target)
        case .zstd:
            if let dictionary {
                return dictionary.decompress(source, into: target) == target.count
            }
            let context = ZstdContext.decompressing
            return ZSTD_decompressDCtx(context, to, target.count, from, source.count)
                == target.count
        }
    }

    /// The decompressed size that a snappy body states about itself; nil when it is damaged.
    package static func snappyDecompressedCount(_ source: ByteView) -> Int? {
        var length = 0
        let from = source.base.assumingMemoryBound(to: CChar.self)
        return snappy_uncompressed_length(from, source.count, &length) == SNAPPY_OK ? length : nil
    }
}
