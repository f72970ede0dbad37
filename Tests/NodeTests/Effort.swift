// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How much the tests of this target try: little by themselves, more through `tools/model-test`.
enum Effort {
    /// Whether every case is tried and not only a sample.
    static var isThorough: Bool { ProcessInfo.processInfo.environment["THOLOS_THOROUGH"] != nil }

    /// The seeds of the model test.
    static var modelSeeds: [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["THOLOS_MODEL_SEEDS"].flatMap { UInt64($0) } ?? 6
        let first = environment["THOLOS_MODEL_FIRST_SEED"].flatMap { UInt64($0) } ?? 1
        return Array(first..<first + max(count, 1))
    }
}
