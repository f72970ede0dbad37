// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// What opening a file yields.
struct SSTableParts {
    let file: any ReadableFile
    let footer: Footer
    let sections: [Section]
    let topIndex: Block
    let statistics: SSTableStatistics
    let schema: [UInt8]
    let filterSection: Section?
    let filterShape: FilterShape?
    let filter: Block?
    /// What is wrong with the filter, if it is done without.
    let filterDamage: CorruptionError?
    let dictionary: ZstdDictionary?
    /// The postings of secondary indexes, if there are any.
    let indexes: AttachedIndexes?
    let rangeSets: Block?
}

/// Reads footer, directory and sections of a file, most of them with one read of its end.
struct SSTableOpener: ~Copyable {
    private let file: any ReadableFile
    private let footer: Footer
    private var tail: ByteWriter
    private let tailOffset: Int
    private var scratch = ByteWriter(capacity: 64)

    private static let tailCount = 32_768
    private static let sectionCountMax = 4096
    /// A filter of up to this size, or this part of the file, is kept in memory.
    private static let filterCountMin = 65_536
    private static let filterFileDivisor = 320

    /// Reads the end of the file and its footer.
    init(_ file: any ReadableFile) throws(StorageError) {
        let count = file.size
        let least = SSTableFormat.headerCount + SSTableFormat.footerCount
        guard count >= least else {
            throw .corruption(
                CorruptionError(
                    path: file.path,
                    offset: 0,
                    length: count,
                    expected: "an SSTable of at least \(least) bytes",
                    found: "\(count) bytes",
                    advice: "it was cut off or is no SSTable; " + CorruptionError.restoreAdvice
                )
            )
        }
        let tailCount = min(count, SSTableOpener.tailCount)
        var tail = ByteWriter(capacity: tailCount)
        try StoredBlock.read(file, at: count - tailCount, count: tailCount, into: &tail)
        let footer = try SSTableOpener.readFooter(tail.view, file)
        self.file = file
        self.footer = footer
        self.tail = tail
        tailOffset = count - tailCount
    }

    private static func readFooter(
        _ tail: ByteView,
        _ file: any ReadableFile
    ) throws(StorageError) -> Footer {
        let offset = file.size - SSTableFormat.footerCount
        let bytes = tail.dropFirst(tail.count - SSTableFormat.footerCount)
        func corruption(_ expected: String, _ found: String, _ hint: String) -> StorageError {
            .corruption(
                CorruptionError(
                    path: file.path,
                    offset: offset,
                    length: SSTableFormat.footerCount,
                    expected: expected,
                    found: found,
                    advice: hint + CorruptionError.restoreAdvice
                )
            )
        }
        let footer: Footer
        do throws(Footer.Flaw) {
            footer = try Footer(bytes, offset: offset)
        } catch {
            switch error {
            case .magic(let found):
                throw corruption(
                    "the end of an SSTable",
                    "bad magic number \(String(found, radix: 16))",
                    "it was cut off or is no SSTable; "
                )
            case .checksum(let expected, let found):
                throw corruption("footer checksum \(expected)", "\(found)", "")
            case .malformed(let error):
                throw corruption("a footer with \(error.expected)", "something else", "")
            }
        }
        guard footer.major <= SSTableFormat.majorVersion else {
            throw .unsupported(
                UnsupportedFormatError(
                    path: file.path,
                    feature: "SSTable format \(footer.major).\(footer.minor)",
                    supported: "formats up to \(SSTableFormat.majorVersion)"
                )
            )
        }
        guard footer.fileCount == file.size, footer.directory.end == offset,
            footer.directory.offset >= SSTableFormat.headerCount
        else {
            throw corruption(
                "a file of \(footer.fileCount) bytes",
                "\(file.size) bytes",
                "bytes were added or lost; "
            )
        }
        return footer
    }

    /// The tokens from the first to the last key.
    mutating func readTokens() throws(StorageError) -> TokenRange? {
        try readStatistics(try section(.statistics, in: try readDirectory())).tokens
    }

    /// Reads everything that a reader keeps. Unless it `needsFilter`, a damaged one is passed over.
    mutating func readParts(needsFilter: Bool = true) throws(StorageError) -> SSTableParts {
        let sections = try readDirectory()
        let topIndex = try block(of: try section(.topIndex, in: sections).handle)
        let schema = try block(of: try section(.schema, in: sections).handle)
        let statistics = try readStatistics(try section(.statistics, in: sections))
        var filterSection = sections.first { $0.id == SectionID.filter.rawValue }
        var shape: FilterShape?
        var filter: Block?
        var filterDamage: CorruptionError?
        if let section = filterSection {
            guard let found = FilterPages.shape(section, statistics) else {
                throw corruption(section.handle, "a filter", "sizes that no filter has")
            }
            shape = found
            let kept = max(
                SSTableOpener.filterCountMin,
                file.size / SSTableOpener.filterFileDivisor
            )
            if found.count <= kept {
                do throws(StorageError) {
                    filter = try FilterPages.read(section, found, of: file, salt: footer.salt)
                } catch {
                    guard !needsFilter, case .corruption(let damage) = error else { throw error }
                    filterDamage = damage
                    filterSection = nil
                    shape = nil
                }
            }
        }
        return SSTableParts(
            file: file,
            footer: footer,
            sections: sections,
            topIndex: topIndex,
            statistics: statistics,
            schema: schema.view.array,
            filterSection: filterSection,
            filterShape: shape,
            filter: filter,
            filterDamage: filterDamage,
            dictionary: try readDictionary(sections),
            indexes: try readIndexes(sections),
            rangeSets: try readRangeSets(sections)
        )
    }

    private mutating func readRangeSets(_ sections: [Section]) throws(StorageError) -> Block? {
        let section = sections.first { $0.id == SectionID.columnRanges.rawValue }
        guard let section else { return nil }
        return try block(of: section.handle)
    }

    private mutating func readDictionary(
        _ sections: [Section]
    ) throws(StorageError) -> ZstdDictionary? {
        let section = sections.first { $0.id == SectionID.dictionary.rawValue }
        guard let section else { return nil }
        let block = try block(of: section.handle)
        guard let dictionary = ZstdDictionary(block.view) else {
            throw corruption(
                section.handle,
                "a trained dictionary of at most \(ZstdDictionary.countMax) bytes",
                "\(block.count) bytes that are none"
            )
        }
        return dictionary
    }

    private mutating func readIndexes(
        _ sections: [Section]
    ) throws(StorageError) -> AttachedIndexes? {
        let top = sections.first { $0.id == SectionID.postingsTop.rawValue }
        let list = sections.first { $0.id == SectionID.indexes.rawValue }
        guard let top, let list else { return nil }
        let listBlock = try block(of: list.handle)
        let topBlock = try block(of: top.handle)
        do throws(MalformedBytes) {
            return try AttachedIndexes(
                top: topBlock,
                topHandle: top.handle,
                list: listBlock.view
            )
        } catch {
            throw corruption(list.handle, error.expected, "something else")
        }
    }

    /// The block at `handle`, from the tail if it is there.
    private mutating func block(of handle: BlockHandle) throws(StorageError) -> Block {
        let salt = footer.salt
        if handle.offset >= tailOffset {
            let start = handle.offset - tailOffset
            let view = tail.view[start..<start + handle.storedCount]
            return try StoredBlock.decode(view, at: handle.offset, salt: salt, path: file.path)
        }
        scratch.removeAll()
        try StoredBlock.read(file, at: handle.offset, count: handle.storedCount, into: &scratch)
        return try StoredBlock.decode(scratch.view, at: handle.offset, salt: salt, path: file.path)
    }

    private mutating func readDirectory() throws(StorageError) -> [Section] {
        let block = try block(of: footer.directory)
        let count = block.count / Section.encodedCount
        guard block.count % Section.encodedCount == 0, count <= SSTableOpener.sectionCountMax else {
            throw corruption(footer.directory, "a section directory", "\(block.count) bytes")
        }
        var sections: [Section] = []
        var reader = ByteReader(block.view)
        for _ in 0..<count {
            do throws(MalformedBytes) {
                sections.append(try Section(from: &reader))
            } catch {
                throw corruption(footer.directory, error.expected, "something else")
            }
        }
        for section in sections {
            if section.flags & Section.required != 0, SectionID(rawValue: section.id) == nil {
                throw .unsupported(
                    UnsupportedFormatError(
                        path: file.path,
                        feature: "a section of kind \(section.id)",
                        supported: "kinds "
                            + SectionID.allCases.map { "\($0.rawValue)" }.joined(separator: ", ")
                    )
                )
            }
            guard section.offset >= SSTableFormat.headerCount,
                section.handle.end <= footer.directory.offset
            else {
                throw corruption(footer.directory, "sections within the file", "one outside of it")
            }
        }
        return sections
    }

    private func section(_ id: SectionID, in sections: [Section]) throws(StorageError) -> Section {
        guard let section = sections.first(where: { $0.id == id.rawValue }) else {
            throw corruption(footer.directory, "a section '\(id)'", "none")
        }
        return section
    }

    private mutating func readStatistics(
        _ section: Section
    ) throws(StorageError) -> SSTableStatistics {
        let block = try block(of: section.handle)
        do throws(MalformedBytes) {
            return try SSTableStatistics(block.view)
        } catch {
            throw corruption(section.handle, error.expected, "something else in the statistics")
        }
    }

    private func corruption(
        _ handle: BlockHandle,
        _ expected: String,
        _ found: String
    ) -> StorageError {
        .corruption(
            CorruptionError(
                path: file.path,
                offset: handle.offset,
                length: handle.storedCount,
                expected: expected,
                found: found
            )
        )
    }
}
