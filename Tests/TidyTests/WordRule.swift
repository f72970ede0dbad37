// SPDX-License-Identifier: Apache-2.0

/// Words that must not stand in code, save in the targets whose job they are.
struct WordRule {
    /// What follows "tidy:" in a comment that excuses one line.
    let name: String
    let words: [String]
    /// The targets, or files, that may use the words.
    let except: Set<String>
    /// Whether the rule holds in tests too.
    var inTests = false
    /// A line with this text may use the words.
    var unlessLineHas: String?
    /// What to do instead.
    let instead: String

    private static let tools = ImportRule.tools

    static let all: [WordRule] = [
        WordRule(
            name: "time",
            words: [
                "Date(", "ContinuousClock", "SuspendingClock", "clock_gettime(", "gettimeofday(",
                "DispatchTime", "CFAbsoluteTime",
            ],
            except: tools.union(["Environment"]),
            instead: "ask Environment.clock"
        ),
        WordRule(
            name: "random",
            words: [
                ".random(", ".randomElement(", ".shuffled(", ".shuffle(",
                "SystemRandomNumberGenerator", "getrandom(", "arc4random",
            ],
            except: ["Environment"],
            inTests: true,
            unlessLineHas: "using:",
            instead: "take random numbers from Environment.random or a seeded generator"
        ),
        WordRule(
            name: "random",
            words: ["UUID()"],
            except: [],
            instead: "make UUIDs of Environment.random"
        ),
        WordRule(
            name: "files",
            words: ["FileManager", "FileHandle", "fopen(", "contentsOfFile"],
            except: tools.union(["Environment"]),
            instead: "go through Environment.fileSystem"
        ),
        WordRule(
            name: "threads",
            words: [
                "DispatchQueue", "DispatchGroup", "DispatchSemaphore", "pthread_create(", "Thread(",
            ],
            except: tools.union(["Environment"]),
            instead: "run it on an Executor of the environment"
        ),
        WordRule(
            name: "sleep",
            words: ["sleep(", "usleep(", "nanosleep("],
            except: ["Environment"],
            inTests: true,
            instead: "wait for what is waited for, or schedule on an Executor"
        ),
        WordRule(
            name: "print",
            words: ["print(", "debugPrint(", "dump("],
            except: tools,
            instead: "return the text, or log it"
        ),
        WordRule(
            name: "trap",
            words: ["try!", "as!"],
            except: [],
            inTests: true,
            instead: "handle the error"
        ),
        WordRule(
            name: "trap",
            words: ["fatalError(", "preconditionFailure(", "precondition("],
            except: ["Sources/Bytes/Invariant.swift"],
            instead: "call invariant or invariantFailure, whose message survives in release builds"
        ),
    ]

    func violations(in file: SourceFile) -> [Violation] {
        guard file.isSwift else { return [] }
        if let target = file.target {
            if except.contains(target) || except.contains(file.path) { return [] }
        } else {
            // These rules' own examples stand in their tests.
            guard inTests, let tests = file.testTarget, tests != "TidyTests" else { return [] }
        }
        var found: [Violation] = []
        for (index, line) in file.code.enumerated() {
            if let unlessLineHas, line.contains(unlessLineHas) { continue }
            for word in words where Self.line(line, has: word) {
                if file.isExcused(name, at: index) { continue }
                let sentence = "\(word) is not for this place; \(instead)"
                found.append(Violation(file: file.path, line: index + 1, sentence: sentence))
            }
        }
        return found
    }

    /// Whether `word` stands in `line` as a word of its own and isn't being declared there.
    static func line(_ line: String, has word: String) -> Bool {
        var rest = Substring(line)
        while let range = rest.firstRange(of: word) {
            let before = rest[..<range.lowerBound].last
            let isMember = before == "." && word != "sleep("
            let isPart = isLetter(before) || (isLetter(word.last) && isLetter(after(range, rest)))
            let isDeclared = rest[..<range.lowerBound].hasSuffix("func ")
            if word.hasPrefix(".") || !(isPart || isMember || isDeclared) { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }

    private static func after(_ range: Range<String.Index>, _ text: Substring) -> Character? {
        text[range.upperBound...].first
    }

    private static func isLetter(_ character: Character?) -> Bool {
        character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
    }
}
