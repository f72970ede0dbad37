// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Where each column of a row comes from, and how a record becomes cells.
struct RowConverter: Sendable {
    /// One column of the rows to write.
    struct Column: Sendable {
        let name: String
        /// The field of the record that holds it.
        let slot: Int
        let isKey: Bool
        let isPartitionKey: Bool
        let converter: ValueConverter

        init(_ column: ImportColumn, slot: Int) {
            name = column.name
            self.slot = slot
            isKey = column.role.isKey
            if case .partitionKey = column.role {
                isPartitionKey = true
            } else {
                isPartitionKey = false
            }
            converter = ValueConverter(column.type)
        }
    }

    /// The longest value of a key column that can be stored (a 16-bit length).
    static let keySizeMax = 65_535

    let columns: [Column]
    /// How many fields a CSV record has to have; nil for JSON.
    let fieldCount: Int?
    private let nulls: NullTexts

    init(columns: [Column], fieldCount: Int?, nulls: NullTexts) {
        self.columns = columns
        self.fieldCount = fieldCount
        self.nulls = nulls
    }

    /// Appends one row; on a mistake in the record appends nothing and says what is wrong.
    func convert(_ fields: borrowing FieldList, into rows: inout RowBuffer) -> String? {
        if let fieldCount, fields.count != fieldCount {
            return "the record has \(fields.count) fields instead of \(fieldCount)"
        }
        let before = rows.cellCount
        for column in columns {
            let kind = fields.kind(column.slot)
            guard kind != .absent, kind != .null else {
                if column.isKey {
                    rows.truncate(toCells: before)
                    return "key column \(column.name) has no value"
                }
                rows.endUnset()
                continue
            }
            let field = fields.view(column.slot)
            if nulls.contains(field, in: column.converter), kind != .composite {
                if column.isKey {
                    rows.truncate(toCells: before)
                    return "key column \(column.name) is null (\"\(field.text())\")"
                }
                rows.endUnset()
                continue
            }
            let start = rows.data.count
            let done = column.converter.convert(field, kind: kind, into: &rows.data)
            if done, !column.isKey {
                rows.endValue()
                continue
            }
            let size = rows.data.count - start
            if done, size <= RowConverter.keySizeMax, size > 0 || !column.isPartitionKey {
                rows.endValue()
                continue
            }
            let reason = mistake(column, field, converted: done, size: size)
            rows.data.truncate(to: start)
            rows.truncate(toCells: before)
            return reason
        }
        return nil
    }

    @inline(never)
    private func mistake(
        _ column: Column,
        _ field: ByteView,
        converted: Bool,
        size: Int
    ) -> String {
        if converted {
            return size == 0
                ? "partition key column \(column.name) is empty"
                : "key column \(column.name) has \(size) bytes; at most "
                    + "\(RowConverter.keySizeMax) can be stored"
        }
        if column.converter.isText {
            let wanted = column.converter.type == .ascii ? "ASCII" : "UTF-8"
            return "column \(column.name): \"\(field.text())\" is not \(wanted)"
        }
        let article = "aeiou".contains(column.converter.type.description.first ?? "x") ? "an" : "a"
        return "column \(column.name): \"\(field.text())\" is not \(article) "
            + "\(column.converter.type)"
    }
}

/// The texts that stand for no value.
struct NullTexts: Sendable {
    private let texts: [[UInt8]]
    private let sizeMax: Int
    /// Whether the empty text is null in text columns too.
    private let emptyText: Bool

    /// The texts of a setting; nil means `NA`.
    ///
    /// The empty text is null wherever it is no value; in text columns only when
    /// it is among `texts`.
    init(_ texts: [String]?) {
        let all = texts ?? ["NA"]
        self.texts = all.filter { !$0.isEmpty }.map { Array($0.utf8) }
        sizeMax = self.texts.map(\.count).max() ?? 0
        emptyText = all.contains("")
    }

    func contains(_ field: ByteView, in converter: ValueConverter) -> Bool {
        if field.isEmpty { return emptyText || !converter.isText }
        guard field.count <= sizeMax else { return false }
        return isListed(field)
    }

    /// Whether the field is null in a column whose type is not known yet.
    func contains(_ field: ByteView) -> Bool {
        field.isEmpty || (field.count <= sizeMax && isListed(field))
    }

    private func isListed(_ field: ByteView) -> Bool {
        let first = field.base.load(as: UInt8.self)
        for text in texts where text[0] == first && text.count == field.count {
            if text.withView({ $0.equals(field) }) { return true }
        }
        return false
    }
}
