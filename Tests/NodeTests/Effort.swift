// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How much the tests of this target try: a sample by themselves, all through `tools/fault-test`.
enum Effort {
    /// Whether every case is tried and not only a sample.
    static var isThorough: Bool { ProcessInfo.processInfo.environment["THOLOS_THOROUGH"] != nil }

    /// The seeds of the model test that are always tried; `tools/model-test` goes far beyond.
    static let modelSeeds = Array(1...6 as ClosedRange<UInt64>)
}
