// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// What can be read of a file around its data, each part by itself.
struct SalvageParts {
    let file: any ReadableFile
    let salt: UInt64
    /// Where data and index blocks may stand.
    private(set) var region: Range<Int>
    private(set) var topIndex: Block?
    private(set) var schema: [UInt8]?
    private(set) var statistics: SSTableStatistics?
    private(set) var dictionary: ZstdDictionary?
    /// What is damaged.
    private(set) var problems: [StorageError] = []

    /// Reads header and footer, one of which must be sound: their salt is what blocks are known by.
    init(_ file: any ReadableFile) throws(StorageError) {
        self.file = file
        let header = SalvageParts.bytes(file, 0..<SSTableFormat.headerCount)
        let footerOffset = file.size - SSTableFormat.footerCount
        let footer = SalvageParts.bytes(file, footerOffset..<max(file.size, footerOffset))
            .flatMap { bytes in
                bytes.withView { view in try? Footer(view, offset: footerOffset) }
            }
        let headerSalt = header.flatMap { bytes in
            bytes.withView { view -> UInt64? in
                let salt = view.loadLittleEndian(16, as: UInt64.self)
                return Header.isSound(view, salt: salt) ? salt : nil
            }
        }
        guard let salt = footer?.salt ?? headerSalt else {
            throw .corruption(
                CorruptionError(
                    path: file.path,
                    offset: 0,
                    length: file.size,
                    expected: "an SSTable whose header or footer is sound",
                    found: "neither of them, so that no block can be told from other bytes"
                )
            )
        }
        self.salt = salt
        region = SSTableFormat.headerCount..<max(SSTableFormat.headerCount, file.size)
        if headerSalt != salt {
            note(0..<SSTableFormat.headerCount, "the header of this file", "another")
        }
        guard let footer else {
            note(max(footerOffset, 0)..<file.size, "a footer", "damage")
            findSections()
            return
        }
        readSections(footer)
    }

    private static func bytes(_ file: any ReadableFile, _ place: Range<Int>) -> [UInt8]? {
        guard place.lowerBound >= 0, place.upperBound <= file.size else { return nil }
        var writer = ByteWriter(capacity: place.count)
        try? StoredBlock.read(file, at: place.lowerBound, count: place.count, into: &writer)
        return writer.count == place.count ? writer.array : nil
    }

    private mutating func note(_ place: Range<Int>, _ expected: String, _ found: String) {
        problems.append(
            .corruption(
                CorruptionError(
                    path: file.path,
                    offset: place.lowerBound,
                    length: place.count,
                    expected: expected,
                    found: found
                )
            )
        )
    }

    /// The block at a place, checked and decompressed; not one that lies outside of the file.
    func block(_ handle: BlockHandle) throws(StorageError) -> Block {
        guard handle.offset >= SSTableFormat.headerCount, handle.end <= file.size,
            handle.storedCount >= SSTableFormat.trailerCount
        else {
            throw .corruption(
                CorruptionError(
                    path: file.path,
                    offset: handle.offset,
                    length: handle.storedCount,
                    expected: "a block within the file",
                    found: "a place outside of it"
                )
            )
        }
        var stored = ByteWriter(capacity: handle.storedCount)
        try StoredBlock.read(file, at: handle.offset, count: handle.storedCount, into: &stored)
        return try StoredBlock.decode(
            stored.view,
            at: handle.offset,
            salt: salt,
            dictionary: dictionary,
            path: file.path
        )
    }

    // MARK: Sections

    private mutating func readSections(_ footer: Footer) {
        guard let directory = attempt(footer.directory) else { return findSections() }
        var reader = ByteReader(directory.view)
        var sections: [Section] = []
        while let section = try? Section(from: &reader) { sections.append(section) }
        region = region.clamped(to: 0..<footer.directory.offset)
        for section in sections {
            guard let id = SectionID(rawValue: section.id) else { continue }
            switch id {
            case .region:
                region = section.handle.offset..<max(section.handle.offset, section.handle.end)
                region = region.clamped(to: SSTableFormat.headerCount..<footer.directory.offset)
            case .filter: checkFilter(section)
            case .topIndex, .statistics, .schema, .dictionary, .columnRanges:
                if let block = attempt(section.handle) { take(id, block, section.handle) }
            // Postings are made again from the rows by the node that takes the file.
            case .postings, .postingsTop, .indexes: break
            }
        }
    }

    private mutating func attempt(_ handle: BlockHandle) -> Block? {
        do throws(StorageError) {
            return try block(handle)
        } catch {
            problems.append(error)
            return nil
        }
    }

    private mutating func take(_ id: SectionID, _ block: Block, _ handle: BlockHandle) {
        switch id {
        case .topIndex: topIndex = block
        case .schema: schema = block.view.array
        case .statistics:
            statistics = try? SSTableStatistics(block.view)
            if statistics == nil { note(handle.place, "statistics", "something else") }
        case .dictionary:
            dictionary = ZstdDictionary(block.view)
            if dictionary == nil { note(handle.place, "a dictionary", "something else") }
        case .region, .filter, .columnRanges, .postings, .postingsTop, .indexes: break
        }
    }

    /// The filter is made again from the keys; that it is damaged is only said.
    private mutating func checkFilter(_ section: Section) {
        guard let statistics, let shape = FilterPages.shape(section, statistics) else { return }
        do throws(StorageError) {
            _ = try FilterPages.read(section, shape, of: file, salt: salt)
        } catch {
            problems.append(error)
        }
    }

    /// Without a directory: finds the sections among all blocks of the file by what is in them.
    private mutating func findSections() {
        let scanner = BlockScanner(file: file, salt: salt)
        var last: [BlockHandle] = []
        for piece in scanner.scan(region) {
            if case .block(let handle) = piece { last.append(handle) }
            // Sections stand behind the region.
            if last.count > SalvageParts.sectionsMax { last.removeFirst() }
        }
        for handle in last {
            guard let block = try? block(handle) else { continue }
            if let found = ZstdDictionary(block.view) {
                dictionary = found
            } else if isTable(block.view) {
                schema = block.view.array
                region = region.clamped(to: 0..<handle.offset)
            } else if let found = try? SSTableStatistics(block.view), found.regionCount > 0,
                found.regionCount < file.size
            {
                statistics = found
                let end = SSTableFormat.headerCount + found.regionCount
                region = region.clamped(to: SSTableFormat.headerCount..<end)
            }
        }
    }

    /// How many blocks at a file's end may be sections.
    private static let sectionsMax = 4096

    private func isTable(_ view: ByteView) -> Bool {
        var reader = ByteReader(view)
        return (try? TableSchema.decode(from: &reader)) != nil && reader.isAtEnd
    }
}

extension BlockHandle {
    /// The bytes of the file that it names.
    var place: Range<Int> { offset..<max(offset, end) }
}
