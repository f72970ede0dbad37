// SPDX-License-Identifier: Apache-2.0

import Testing

/// The rules find what they are for, and nothing else.
@Suite struct RuleTests {
    private func file(_ path: String, _ lines: String...) -> SourceFile {
        SourceFile(path: path, text: lines.joined(separator: "\n") + "\n")
    }

    private func words(_ file: SourceFile) -> [String] {
        WordRule.all.flatMap { $0.violations(in: file) }.map(\.description)
    }

    @Test func importBelowOnly() {
        let good = file("Sources/Model/A.swift", "package import Bytes", "import struct Bytes.X")
        #expect(ImportRule.violations(in: good).isEmpty)
        let bad = file("Sources/Model/A.swift", "", "@testable import Storage")
        #expect(
            ImportRule.violations(in: bad).map(\.description) == [
                "Sources/Model/A.swift:2: Model must not import Storage; it may import Bytes"
            ]
        )
        let unknown = file("Sources/Nowhere/A.swift", "")
        #expect(ImportRule.violations(in: unknown).count == 1)
    }

    @Test(arguments: [
        "let now = Date()", "let clock = ContinuousClock()", "Int.random(in: 0..<4)",
        "list.shuffled()", "let id = UUID()", "FileManager.default", "DispatchQueue.main.async",
        "try await Task.sleep(for: .seconds(1))", "usleep(10)", "print(1)", "try! f()", "x as! Y",
        "fatalError()", "precondition(x)",
    ])
    func bannedWordIsFound(line: String) {
        #expect(words(file("Sources/Model/A.swift", "", line)).count == 1)
    }

    @Test(arguments: [
        "let date = UpdateDate(x)", "blueprint(1)", "printer.print(1)", "// print(1)",
        "let s = \"try! print(1)\"", "/* Date() */", "func print(_ x: Int) {}",
        "Int.random(in: 0..<4, using: &generator)", "let x = \"\\(\"print(\")\"",
        "print(1) // tidy: print: the reason",
    ])
    func harmlessLineIsNotFound(line: String) {
        #expect(words(file("Sources/Model/A.swift", "", line)) == [])
    }

    @Test func wordIsAllowedWhereItsJobIsDone() {
        #expect(words(file("Sources/Environment/A.swift", "clock_gettime(x)")) == [])
        #expect(words(file("Sources/Shell/A.swift", "print(1)")) == [])
        #expect(words(file("Tests/ModelTests/A.swift", "print(1)")) == [])
        #expect(words(file("Tests/ModelTests/A.swift", "usleep(1)")).count == 1)
        #expect(words(file("Sources/Bytes/Invariant.swift", "fatalError(m)")) == [])
        #expect(words(file("Sources/Bytes/Other.swift", "fatalError(m)")).count == 1)
    }

    @Test func codeIsToldFromTextAndLinesStay() {
        let text = """
            let a = "x // y" // z
            let b = #"a"b"# + \"""
              try! \\(f("q)") ) more
              \"""
            /* one
               /* two */ */ let c = 1
            """
        let code = SwiftText.codeOnly(text).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        #expect(code.count == 6)
        #expect(code[0] == "let a = \"\" ")
        #expect(code[1] == "let b = \"\" + \"\"")
        #expect(code[2] == "")
        #expect(code[5] == " let c = 1")
    }

    @Test func functionsAreMeasured() {
        let code = file(
            "Sources/Model/A.swift",
            "protocol P {",
            "    func none()",
            "    var x: Int { get }",
            "}",
            "package static func one(",
            "    _ f: () -> Void = {}",
            ") throws(E) -> Int {",
            "    if x { return 1 }",
            "    let y = init(z)",
            "}",
            "init?(a: Int) { nil }"
        ).code
        #expect(
            FunctionScanner.functions(in: code) == [
                .init(name: "one", line: 4, length: 6),
                .init(name: "init", line: 10, length: 1),
            ]
        )
    }

    @Test func lengthsAreBounded() {
        let body = Array(repeating: "    x()", count: ShapeRules.functionLinesMax)
        let long = SourceFile(
            path: "Sources/Model/A.swift",
            text: (["func f() {"] + body + ["}"]).joined(separator: "\n") + "\n"
        )
        #expect(ShapeRules.lengths(long).count == 1)
        let lines = Array(repeating: "", count: ShapeRules.fileLinesMax + 1)
        let huge = SourceFile(
            path: "Sources/Model/A.swift",
            text: lines.joined(separator: "\n") + "\n"
        )
        #expect(ShapeRules.lengths(huge).count == 1)
    }

    @Test func shapeIsChecked() {
        let path = "Sources/Model/A.swift"
        #expect(ShapeRules.blanks(file(path, "a ", "\tb", "c")).count == 2)
        #expect(ShapeRules.blanks(SourceFile(path: path, text: "a")).count == 1)
        #expect(ShapeRules.licence(file(path, "import Bytes")).count == 1)
        let licence = "// SPDX-License-Identifier: Apache-2.0"
        #expect(ShapeRules.licence(file(path, licence, "import Bytes")).isEmpty)
        #expect(ShapeRules.unfinished(file(path, "// TODO: more")).count == 1)
        #expect(ShapeRules.unfinished(file(path, "let TODOS = 1")).isEmpty)
        #expect(ShapeRules.reasons(file(path, "", "class A: @unchecked Sendable {")).count == 1)
        #expect(ShapeRules.reasons(file(path, "// Lock: l.", "x: @unchecked Sendable")).isEmpty)
    }

    @Test func linksAreResolved() {
        let page = file(
            "docs/formats/a.md",
            "[one](../b.md#part) [two](https://example.org/x) [three](c.md) `[no](d.md)`",
            "```",
            "[four](e.md)",
            "```"
        )
        let found = TextRules.links(page) { $0 == "docs/b.md" }
        #expect(found.map(\.description) == ["docs/formats/a.md:1: the link to c.md leads nowhere"])
    }

    @Test func machinePathIsFound() {
        #expect(TextRules.machinePaths(file("docs/a.md", "see /work/x and so on")).count == 1)
        #expect(TextRules.machinePaths(file("docs/a.md", "the frame/work/x")).isEmpty)
    }
}
