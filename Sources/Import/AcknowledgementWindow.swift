// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Which batches are acknowledged, so that the place before which nothing is missing is known.
///
/// Batches are written side by side and finish in any order; the place moves only over batches that
/// are all acknowledged.
struct AcknowledgementWindow {
    /// Everything before this place is written or rejected.
    private(set) var position: ImportPosition
    private var ends: [Int: ImportPosition] = [:]
    private var acknowledged: Set<Int> = []
    private var nextNumber = 0
    private var nextExpected = 0

    init(at position: ImportPosition) { self.position = position }

    /// How many batches are being written.
    var inFlight: Int { ends.count - acknowledged.count }

    /// Notes a batch that ends at `position`, and returns its number.
    mutating func begin(endingAt position: ImportPosition) -> Int {
        let number = nextNumber
        nextNumber += 1
        ends[number] = position
        return number
    }

    /// Notes that a batch is acknowledged.
    mutating func acknowledge(_ number: Int) {
        invariant(ends[number] != nil, "acknowledgement of an unknown batch")
        acknowledged.insert(number)
        while acknowledged.remove(nextExpected) != nil {
            if let end = ends.removeValue(forKey: nextExpected) { position = end }
            nextExpected += 1
        }
    }
}
