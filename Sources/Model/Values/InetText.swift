// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The text of an `inet`: four bytes of IPv4 or sixteen of IPv6.
package enum InetText {
    /// The address as text (RFC 5952); nil unless there are 4 or 16 bytes.
    package static func text(_ view: ByteView) -> String? {
        switch view.count {
        case 4: dotted(view)
        case 16: colons(view)
        default: nil
        }
    }

    private static func dotted(_ view: ByteView) -> String {
        view.buffer.map { String($0) }.joined(separator: ".")
    }

    private static func colons(_ view: ByteView) -> String {
        let groups = (0..<8).map { view.loadBigEndian($0 * 2, as: UInt16.self) }
        let zeros = longestZeros(groups)
        // An IPv4-mapped address ends in IPv4's notation (RFC 5952, section 5).
        if zeros == 0..<5, groups[5] == 0xFFFF { return "::ffff:" + dotted(view.dropFirst(12)) }
        let hex = { (range: Range<Int>) in
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return zeros.isEmpty
            ? hex(0..<8) : hex(0..<zeros.lowerBound) + "::" + hex(zeros.upperBound..<8)
    }

    /// The first longest run of at least two zero groups; empty if there is none.
    private static func longestZeros(_ groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        return longest
    }

    /// The bytes of an address in text: `1.2.3.4`, or IPv6 with or without `::` and with IPv4's
    /// notation at its end; nil for anything else, names too.
    package static func parse(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        text.contains(UInt8(ascii: ":")) ? parseV6(text) : parseV4(text)
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var scanner = TextScanner(text)
        var bytes: [UInt8] = []
        while bytes.count < 4 {
            if !bytes.isEmpty, !scanner.skip(UInt8(ascii: ".")) { return nil }
            guard let number = scanner.number(to: 3), let byte = UInt8(exactly: number) else {
                return nil
            }
            bytes.append(byte)
        }
        return scanner.isAtEnd ? bytes : nil
    }

    private static func parseV6(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var gap: Int?
        var scanner = TextScanner(text)
        if text.starts(with: "::".utf8) {
            scanner.position += 2
            gap = 0
        }
        while !scanner.isAtEnd {
            guard bytes.count <= 14 else { return nil }
            let rest = scanner.bytes[scanner.position...]
            let end = rest.firstIndex(of: UInt8(ascii: ":")) ?? rest.endIndex
            if end == rest.endIndex, let ipv4 = parseV4(rest) {
                bytes += ipv4
                break
            }
            guard let group = group(rest[..<end]) else { return nil }
            bytes += [UInt8(truncatingIfNeeded: group >> 8), UInt8(truncatingIfNeeded: group)]
            scanner.position = end
            if scanner.isAtEnd { break }
            scanner.position += 1
            if scanner.skip(UInt8(ascii: ":")) {
                guard gap == nil else { return nil }
                gap = bytes.count
            } else if scanner.isAtEnd {
                return nil
            }
        }
        guard let gap else { return bytes.count == 16 ? bytes : nil }
        guard bytes.count <= 14 else { return nil }
        bytes.insert(contentsOf: [UInt8](repeating: 0, count: 16 - bytes.count), at: gap)
        return bytes
    }

    private static func group(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(digits.count) else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            guard let nibble = TextScanner.hexValue(digit) else { return nil }
            value = value << 4 | UInt16(nibble)
        }
        return value
    }
}
