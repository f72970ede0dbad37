// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// A partition filter as it stands in the file: stored blocks with `pageCount` bytes of lines each,
/// the last maybe with fewer, so that a lookup in a filter too large for memory reads one of them.
enum FilterPages {
    /// The filter's shape, from the section's size; nil when no filter has that size.
    static func shape(_ section: Section, _ statistics: SSTableStatistics) -> FilterShape? {
        let page = Int(section.pageCount)
        let storedPage = page + SSTableFormat.trailerCount
        let pages = (section.count + storedPage - 1) / storedPage
        let count = section.count - pages * SSTableFormat.trailerCount
        let line = FilterShape.lineBytes
        guard page > 0, page % line == 0, count > 0, count % line == 0,
            statistics.filterProbeCount > 0
        else { return nil }
        return FilterShape(lineCount: count / line, probeCount: statistics.filterProbeCount)
    }

    /// Where the page of a line is stored.
    static func page(of line: Int, in section: Section) -> BlockHandle {
        let page = Int(section.pageCount)
        let storedPage = page + SSTableFormat.trailerCount
        let offset = line * FilterShape.lineBytes / page * storedPage
        return BlockHandle(
            offset: section.offset + offset,
            storedCount: min(storedPage, section.count - offset)
        )
    }

    /// Reads and checks all pages, as one run of lines.
    static func read(
        _ section: Section,
        _ shape: FilterShape,
        of file: any ReadableFile,
        salt: UInt64
    ) throws(StorageError) -> Block {
        var stored = ByteWriter(capacity: section.count)
        try StoredBlock.read(file, at: section.offset, count: section.count, into: &stored)
        let view = stored.view
        let path = file.path
        let filter = try Block(count: shape.count, alignment: FilterShape.lineBytes) {
            (target) throws(StorageError) in
            var line = 0
            while line < shape.lineCount {
                let handle = FilterPages.page(of: line, in: section)
                let start = handle.offset - section.offset
                let page = try StoredBlock.decode(
                    view[start..<start + handle.storedCount],
                    at: handle.offset,
                    salt: salt,
                    path: path
                )
                let offset = line * FilterShape.lineBytes
                guard page.count > 0, page.count % FilterShape.lineBytes == 0,
                    page.count == min(Int(section.pageCount), target.count - offset)
                else { return false }
                target.baseAddress.map {
                    ($0 + offset).copyMemory(from: page.view.base, byteCount: page.count)
                }
                line += page.count / FilterShape.lineBytes
            }
            return true
        }
        if let filter { return filter }
        throw .corruption(
            CorruptionError(
                path: path,
                offset: section.offset,
                length: section.count,
                expected: "filter pages of one size",
                found: "others"
            )
        )
    }
}
