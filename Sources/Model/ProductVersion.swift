// SPDX-License-Identifier: Apache-2.0

/// The version that Tholos's tools report.
package enum ProductVersion {
    package static let text = "0.1.0"
}
