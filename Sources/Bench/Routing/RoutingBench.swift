// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Client

/// `tholos bench routing`: the strategies by which a client chooses nodes, side by side.
struct RoutingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "routing",
        abstract: "The client's routing strategies, in virtual time.",
        discussion: """
            The strategies are the client's own code; the nodes are queues with so many workers, in the \
            simulator's virtual time. 1,000 clients in 20 processes, each of which knows only its own requests, \
            send requests at random moments. For each case and strategy: how long answers took in \
            milliseconds, retries included (median, 99 of 100, 999 of 1000), and how many requests of 1000 failed \
            or took longer than a second.

            CASES
              even     3 nodes alike, each the replica of all, at 60 % of what they can do
              slow     one of 3 replicas takes ten times as long, at a third of what they could do without that
              half     one of 5 nodes has half the speed, and its weight says so, at 65 %
              zipf     5 nodes with 3 replicas, keys by Zipf's law with the exponent 0.99, at 50 %
              returns  one of 3 nodes is gone for a quarter of the time and then slow at first, at 40 %

            EXAMPLES
              tholos bench routing
              tholos bench routing --only slow,zipf --seconds 30
            """
    )

    @Option(help: ArgumentHelp("Only these cases, in this order.", valueName: "case,case"))
    var only: String?

    @Option(help: "Seconds of virtual time for each case and strategy.")
    var seconds = 20

    @Option(help: "What the random numbers begin with: the same seed gives the same table.")
    var seed: UInt64 = 1

    func validate() throws {
        guard (1...3600).contains(seconds) else { throw ValidationError("--seconds must be from 1 to 3600") }
        _ = try cases()
    }

    private func cases() throws -> [RoutingCase] {
        guard let only else { return RoutingCase.all }
        return try only.split(separator: ",").map { name in
            guard let found = RoutingCase.all.first(where: { $0.name == name }) else {
                let known = RoutingCase.all.map(\.name).joined(separator: ", ")
                throw ValidationError("no case is named \(name); there are \(known)")
            }
            return found
        }
    }

    func run() throws {
        for place in try cases() {
            BenchOutput.line("\(place.name)")
            for strategy in RoutingStrategy.allCases {
                report(place, strategy, hedging: false)
            }
            report(place, .powerOfTwoChoices, hedging: true)
        }
    }

    private func report(_ place: RoutingCase, _ strategy: RoutingStrategy, hedging: Bool) {
        let model = RoutingModel(place, strategy, hedging: hedging, seed: seed)
        model.run(seconds: seconds)
        let times = [0.5, 0.99, 0.999].map { share in
            BenchOutput.padded(BenchOutput.text(model.latencies.percentile(share) / 1e6), 9)
        }
        let total = Double(max(model.latencies.count + model.failedCount, 1))
        let failed = BenchOutput.text(Double(model.failedCount) * 1000 / total, digits: 2)
        let name = strategy.rawValue + (hedging ? " + hedging" : "")
        let padding = String(repeating: " ", count: max(0, 32 - name.count))
        BenchOutput.line("  " + name + padding + times.joined() + BenchOutput.padded(failed, 9))
    }
}
