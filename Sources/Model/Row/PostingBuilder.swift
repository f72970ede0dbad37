// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Makes the postings of a row: what each index of its table has to say of one fragment.
///
/// A posting says that a fragment of the row has the term; whether the merged row has it is for the
/// reader to see. Used by one thread.
package final class PostingBuilder {
    private struct CellTarget {
        let index: IndexSchema
        let type: CQLType
        let analysis: TermAnalysis?
    }
    private struct KeyTarget {
        let index: IndexSchema
        let position: Int
        let type: CQLType
        let analysis: TermAnalysis?
    }

    private var byColumn: [UInt32: [CellTarget]] = [:]
    private var clustering: [KeyTarget] = []
    private var partitionKey: [KeyTarget] = []
    private let table: TableSchema
    /// The partition that has its postings already.
    private var lastPartition = ByteWriter(capacity: 64)
    private var hasLastPartition = false

    private var bytes = ByteWriter(capacity: 256)
    private var scratch = ByteWriter(capacity: 64)
    private var marks: [(start: Int, place: Int)] = []

    /// A builder for the indexes that `table` has.
    package init(_ table: TableSchema) {
        self.table = table
        for index in table.indexes {
            guard let column = table.column(of: index) else { continue }
            let analysis = TermAnalysis(index, column.type)
            switch column.kind {
            case .regular, .static:
                let target = CellTarget(index: index, type: column.type, analysis: analysis)
                byColumn[column.id, default: []].append(target)
            case .clustering:
                clustering.append(
                    KeyTarget(index: index, position: column.position, type: column.type, analysis: analysis)
                )
            case .partitionKey:
                partitionKey.append(
                    KeyTarget(index: index, position: column.position, type: column.type, analysis: analysis)
                )
            }
        }
    }

    /// How many postings the last fragment has.
    package var count: Int { marks.count }

    /// The key of a posting, valid until the next `build`.
    package func key(_ number: Int) -> ByteView {
        let end = number + 1 < marks.count ? marks[number + 1].start : bytes.count
        return bytes.view[marks[number].start..<end]
    }

    /// Where in its key a posting's place begins.
    package func placeOffset(_ number: Int) -> Int { marks[number].place - marks[number].start }

    /// Makes the postings of one entry of a table: of a row or static row; anything else has none.
    package func build(
        key: ByteView,
        partitionLength: Int,
        value: ByteView
    ) throws(MalformedBytes) {
        bytes.removeAll()
        marks.removeAll(keepingCapacity: true)
        guard key.count > partitionLength, value.count > 0,
            value[0] & (EntryHeader.marker | EntryHeader.partitionDeletion) == 0
        else { return }
        let isStatic = key[partitionLength] == Key.staticRow
        let place = isStatic ? key.prefix(partitionLength) : key
        var fragment = try RowFragment(value)
        var isThere = fragment.liveness != nil
        while let cell = try fragment.nextCell() {
            guard cell.flags.hasValue else { continue }
            isThere = true
            for target in byColumn[cell.column] ?? [] { append(cell, target, place) }
        }
        guard isThere else { return }
        if !isStatic, !clustering.isEmpty { try appendClustering(key, partitionLength) }
        if !partitionKey.isEmpty { try appendPartitionKey(key.prefix(partitionLength)) }
    }

    // MARK: Kinds of columns

    private func append(_ cell: Cell, _ target: CellTarget, _ place: ByteView) {
        let isElement = cell.flags.contains(.path)
        guard isElement == target.type.isMultiCell else { return }
        let start = begin(target.index)
        switch (target.index.part, target.type) {
        case (.values, .set): appendPath(cell.path, target.type, target.analysis)
        case (.values, .list(let element, _)), (.values, .map(_, let element, _)):
            appendValue(cell.value, element, target.analysis)
        case (.keys, .map): appendPath(cell.path, target.type, target.analysis)
        case (.entries, .map(_, let value, _)):
            PostingKey.appendComponent(path: cell.path, to: &bytes)
            PostingKey.appendComponent(cell.value, type: value, to: &bytes)
        case (.whole, _), (.full, _): appendValue(cell.value, target.type, target.analysis)
        default: return bytes.truncate(to: start)
        }
        end(start, place)
    }

    private func appendClustering(
        _ key: ByteView,
        _ partitionLength: Int
    ) throws(MalformedBytes) {
        var reader = ByteReader(key)
        reader.offset = partitionLength + 1
        for (position, column) in table.clustering.enumerated() {
            let separator = try reader.readByte()
            scratch.removeAll()
            if separator == Key.component {
                try OrderedEncoding.decode(
                    column.type,
                    descending: column.isDescending,
                    from: &reader,
                    into: &scratch
                )
            } else if separator != Key.componentEmpty {
                throw MalformedBytes(offset: reader.offset, expected: "a clustering component")
            }
            for target in clustering where target.position == position {
                let start = begin(target.index)
                appendValue(scratch.view, target.type, target.analysis)
                end(start, key)
            }
        }
    }

    /// A partition's postings are made once as long as its entries come one after the other.
    private func appendPartitionKey(_ partition: ByteView) throws(MalformedBytes) {
        if hasLastPartition, lastPartition.view.equals(partition) { return }
        lastPartition.removeAll()
        lastPartition.append(partition)
        hasLastPartition = true
        scratch.removeAll()
        var reader = ByteReader(partition)
        _ = try Key.readPartitionKey(from: &reader, into: &scratch)
        let parts = try Key.splitPartitionKey(scratch.view, count: table.partitionKey.count)
        for target in partitionKey where target.position < parts.count {
            let start = begin(target.index)
            appendValue(parts[target.position], target.type, target.analysis)
            end(start, partition)
        }
    }

    // MARK: Postings

    private func begin(_ index: IndexSchema) -> Int {
        let start = bytes.count
        PostingKey.appendIndex(index.id, to: &bytes)
        return start
    }

    private func appendValue(_ value: ByteView, _ type: CQLType, _ analysis: TermAnalysis?) {
        guard let analysis else {
            return PostingKey.appendComponent(value, type: type, to: &bytes)
        }
        analysis.apply(value).withView {
            PostingKey.appendComponent($0, type: type, to: &bytes)
        }
    }

    /// The path of an element of a set or of a map's key.
    private func appendPath(_ path: ByteView, _ type: CQLType, _ analysis: TermAnalysis?) {
        guard let analysis, let element = type.pathType else {
            return PostingKey.appendComponent(path: path, to: &bytes)
        }
        var reader = ByteReader(path)
        scratch.removeAll()
        // A path that is malformed has no term that a query could name.
        let isText =
            (try? OrderedEncoding.decode(element, descending: false, from: &reader, into: &scratch))
            != nil
        guard isText else { return PostingKey.appendComponent(path: path, to: &bytes) }
        analysis.apply(scratch.view).withView {
            PostingKey.appendComponent(asPath: $0, type: element, to: &bytes)
        }
    }

    private func end(_ start: Int, _ place: ByteView) {
        PostingKey.cut(&bytes, from: start)
        bytes.append(PostingKey.endTerm)
        marks.append((start, bytes.count))
        bytes.append(place)
    }
}

extension CQLType {
    /// The type of what names the cells of a set or map.
    package var pathType: CQLType? {
        switch self {
        case .set(let element, _): element
        case .map(let key, _, _): key
        default: nil
        }
    }
}
