// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
internal import Bytes
internal import Environment
internal import Glibc

/// `tholos simulate`: a whole cluster in one thread under virtual time, with faults and checkers.
package struct SimulateCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "A cluster in one thread under virtual time, from a seed, with faults and checkers.",
        discussion: """
            Runs nodes with a simulated network, disk, clock and threads, lets clients work on them and \
            things go wrong, and checks that nothing acknowledged is lost, that conditional writes are \
            linearizable, that nothing deleted comes back, and more. The same seed and the same build \
            give the same run. A seed that fails prints the faults that are needed for it and the \
            command that shows it again.

            WORKLOADS
              \(WorkloadKind.allCases.map(\.rawValue).joined(separator: ", "))

            FAULTS
            \(SimulateCommand.faultList)

            PLANTED BUGS
              \(PlantedBugs.named.map(\.name).joined(separator: ", "))

            EXAMPLES
              tholos simulate --seed 1
              tholos simulate --seed 1 --seeds 1000 --minutes 1
              tholos simulate --seed 7 --faults crash,slow-disk --workload set
              tholos simulate --seed 7 --schedule faults.txt --trace
              tholos simulate --seed 1 --seeds 100 --planted acknowledge-before-sync

            Exit code 1 says that a checker has found something. docs/simulation.md says how it works.
            """
    )

    private static var faultList: String {
        FaultKind.allCases.map { kind in
            let name = kind.rawValue
            return "  \(name)\(String(repeating: " ", count: 14 - name.count))\(kind.meaning)"
        }
        .joined(separator: "\n")
    }

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "How many seeds, one after the other.")
    var seeds = 1

    @Option(help: "Go from one seed to the next in steps of this.")
    var step: UInt64 = 1

    @Option(help: "The number of nodes.")
    var nodes = 1

    @Option(help: "Minutes of virtual time for each seed.")
    var minutes = 1.0

    @Option(help: ArgumentHelp("Which faults there may be.", valueName: "all|none|fault,fault"))
    var faults = "all"

    @Option(help: ArgumentHelp("Which workloads there are.", valueName: "all|name,name"))
    var workload = "all"

    @Option(help: ArgumentHelp("The faults, from a file, in place of what the seed says.", valueName: "file"))
    var schedule: String?

    @Option(help: ArgumentHelp("A bug that is put into the code, for the checkers to find.", valueName: "name"))
    var planted: String?

    @Flag(help: "Print every event.")
    var trace = false

    @Flag(help: "Print the faults of each seed.")
    var printSchedule = false

    @Flag(help: "Run each seed twice and compare.")
    var checkDeterminism = false

    @Flag(inversion: .prefixedNo, help: "Look for fewer faults that are enough when a seed fails.")
    var shrink = true

    @Option(help: "Stop after so many seeds that fail.")
    var failures = 10

    @Option(help: "Stop after so many seconds of real time.")
    var seconds: Int?

    @Option(help: ArgumentHelp("A file that says which seed runs, for whoever watches.", valueName: "file"))
    var status: String?

    package init() {}

    package func validate() throws {
        guard (1...64).contains(nodes) else { throw ValidationError("--nodes must be 1 to 64") }
        guard seeds > 0, step > 0, failures > 0 else {
            throw ValidationError("--seeds, --step and --failures must be above 0")
        }
        guard minutes > 0, minutes <= 100_000 else {
            throw ValidationError("--minutes must be above 0 and at most 100000")
        }
        _ = try options(seed: seed)
    }

    package mutating func run() throws {
        SimulateCommand.makeHashingDeterministic()
        var runner = SimulationRunner(self, try options(seed: seed))
        guard try runner.run() else { throw ExitCode(1) }
    }

    /// The options of a seed.
    func options(seed: UInt64) throws -> SimulationOptions {
        var options = SimulationOptions(seed: seed)
        options.nodeCount = nodes
        options.duration = UInt64(minutes * Double(SimulatedTime.minute))
        switch faults {
        case "all": break
        case "none": options.faults = []
        default: options.faults = Set(try SimulateCommand.names(faults, "fault") as [FaultKind])
        }
        if workload != "all" { options.workloads = try SimulateCommand.names(workload, "workload") }
        if let planted {
            guard let bug = PlantedBugs.named.first(where: { $0.name == planted }) else {
                let known = PlantedBugs.named.map(\.name).joined(separator: ", ")
                throw ValidationError("no planted bug is called '\(planted)'; there are \(known)")
            }
            options.planted = bug.bug
        }
        if let schedule { options.schedule = try SimulateCommand.readSchedule(schedule) }
        return options
    }

    private static func names<Name: RawRepresentable & CaseIterable>(
        _ text: String,
        _ what: String
    ) throws -> [Name] where Name.RawValue == String {
        try text.split(separator: ",").map { word in
            guard let name = Name(rawValue: String(word)) else {
                let known = Name.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("no \(what) is called '\(word)'; there are \(known)")
            }
            return name
        }
    }

    private static func readSchedule(_ path: String) throws -> FaultSchedule {
        do {
            let file = try POSIXFileSystem().open(path)
            var bytes = [UInt8](repeating: 0, count: file.size)
            let count = try bytes.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }
            return try FaultSchedule(text: String(decoding: bytes[..<count], as: UTF8.self))
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// The seeds of Swift's hash tables differ from process to process unless a variable is set before the
    /// start: starts this program again with it.
    private static func makeHashingDeterministic() {
        let name = "SWIFT_DETERMINISTIC_HASHING"
        guard getenv(name) == nil else { return }
        setenv(name, "1", 1)
        execv("/proc/self/exe", CommandLine.unsafeArgv)
        SimulateOutput.note("warning: could not set \(name): two runs of a seed may differ")
    }
}
