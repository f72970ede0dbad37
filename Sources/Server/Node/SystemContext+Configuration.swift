// SPDX-License-Identifier: Apache-2.0

import CQL
internal import Node

extension SystemContext {
    init(_ configuration: Configuration, _ node: Node) {
        self.init()
    }
}
