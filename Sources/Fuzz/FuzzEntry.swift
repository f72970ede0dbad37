// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc

/// The target that runs: chosen once by the variable THOLOS_FUZZ_TARGET.
private let target: FuzzTarget = {
    let name = getenv("THOLOS_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("THOLOS_FUZZ_TARGET is one of", FuzzTarget.all.map(\.name).joined(separator: ", "))
        exit(2)
    }
    return target
}()

/// Called by libFuzzer once: with THOLOS_FUZZ_SEEDS it writes the seeds into that folder and ends.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeRawPointer, _ arguments: UnsafeRawPointer) -> CInt {
    guard let folder = getenv("THOLOS_FUZZ_SEEDS").map({ String(cString: $0) }) else { return 0 }
    for (index, seed) in target.seeds().enumerated() {
        guard let file = fopen("\(folder)/seed-\(index)", "w") else { exit(1) }
        fwrite(seed, 1, seed.count, file)
        fclose(file)
    }
    exit(0)
}

/// Called by libFuzzer for every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(ByteView(UnsafeRawBufferPointer(start: bytes, count: count)))
    return 0
}
