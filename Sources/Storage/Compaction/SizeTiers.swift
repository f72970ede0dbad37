// SPDX-License-Identifier: Apache-2.0

/// Chooses what to compact: SSTables of similar size, when there are enough of them.
///
/// A pure function of the set of files. Tiers are by the logarithm of the size, so that each row is
/// rewritten about log(total / flushed) times and a table keeps a few files a tier.
package struct SizeTiers: Sendable, Equatable {
    /// A file as the choice sees it.
    package struct File: Sendable, Equatable {
        package let number: UInt64
        /// Bytes.
        package let size: Int

        package init(number: UInt64, size: Int) {
            self.number = number
            self.size = size
        }
    }

    /// The fewest files of a tier that are worth merging.
    package let thresholdMin: Int
    /// The most files that are merged at once.
    package let thresholdMax: Int
    /// Files smaller than this many bytes are all of one tier.
    package let smallSize: Int

    package init(thresholdMin: Int = 4, thresholdMax: Int = 32, smallSize: Int = 4 << 20) {
        self.thresholdMin = max(2, thresholdMin)
        self.thresholdMax = max(self.thresholdMin, thresholdMax)
        self.smallSize = smallSize
    }

    /// The numbers of the files to merge, in ascending order; none when there is nothing to do.
    ///
    /// Of several full tiers the one of the smallest files goes first: it costs least and frees most.
    package func choose(_ files: [File]) -> [UInt64] {
        let sorted = files.sorted {
            $0.size != $1.size ? $0.size < $1.size : $0.number < $1.number
        }
        var tier: [File] = []
        for file in sorted {
            // A tier reaches to twice its average size.
            let average = tier.isEmpty ? 0 : tier.map(\.size).reduce(0, +) / tier.count
            if !tier.isEmpty, file.size > max(smallSize, 2 * average) {
                if tier.count >= thresholdMin { break }
                tier.removeAll()
            }
            tier.append(file)
        }
        guard tier.count >= thresholdMin else { return [] }
        return tier.prefix(thresholdMax).map(\.number).sorted()
    }
}
