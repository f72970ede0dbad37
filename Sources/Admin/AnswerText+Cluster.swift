// SPDX-License-Identifier: Apache-2.0

import AdminProtocol

extension AnswerText {
    static func gossipinfo(_ answer: GossipFacts) -> String {
        var text = ""
        for node in answer.nodes {
            text += "/\(node.address)\(node.isAlive ? "" : " (down)")\n"
            text += "  generation:\(node.generation)\n  heartbeat:\(node.heartbeat)\n"
            for value in node.values { text += "  \(value.name):\(value.version):\(value.text)\n" }
        }
        return text
    }

    static func netstats(_ answer: NetworkFacts) -> String {
        var text = "Mode: \(answer.mode)\n"
        if answer.transfers.isEmpty { text += "Not sending any streams.\n" }
        for transfer in answer.transfers {
            text += "\(transfer.purpose): \(transfer.rangesDone) of \(transfer.rangesTotal) ranges,"
                + " \(size(transfer.bytes))\n"
        }
        text += "Hints: \(answer.hintsKept) kept, \(answer.hintsDelivered) delivered,"
            + " \(answer.hintsRefused) refused\n"
        for hints in answer.hints { text += "  for \(hints.hostId): \(size(hints.bytes))\n" }
        text += "Scheduled repairs: \(answer.repairsDone) ranges done, \(answer.repairsFailed) failed,"
            + " \(answer.repairsOverdue) overdue\n"
        text += "Reads that asked one replica more: \(answer.speculativeReads)\n"
        text += "Requests dropped as too late: \(answer.droppedRequests)\n"
        return text
    }

    static func repair(_ answer: RepairFacts) -> String {
        let found = answer.repairedBytes == 0
            ? "nothing differed"
            : "\(size(answer.repairedBytes)) were lacking somewhere (\(size(answer.comparedBytes)) were sent to find out)"
        return "Repaired \(answer.ranges) ranges in \(answer.milliseconds) ms: \(found)\n"
    }

    static func rebuild(_ answer: RebuildFacts) -> String {
        "Fetched \(answer.ranges) ranges in \(answer.milliseconds) ms: \(size(answer.bytes))\n"
    }
}
