// SPDX-License-Identifier: Apache-2.0

import Testing

/// Reads the repository and fails with `file:line: sentence` for what the conventions forbid.
///
/// One line can be excused by a comment on it or above it: `// tidy: RULE: reason`.
@Suite struct TidyTests {
    private func report(_ violations: [Violation]) {
        for violation in violations {
            Issue.record("\(violation.description)")
        }
    }

    @Test func repositoryIsThere() {
        #expect(Repository.files.contains { $0.path == "Package.swift" })
        #expect(Repository.files.count { $0.target != nil } > 20)
    }

    @Test func importsFollowTheLayers() {
        report(Repository.files.flatMap(ImportRule.violations))
        let targets = Set(Repository.files.filter(\.isSwift).compactMap(\.target))
        let gone = ImportRule.allowed.map(\.target).filter { !targets.contains($0) }
        #expect(gone.isEmpty, "ImportRule.allowed names targets that don't exist")
    }

    @Test func wordsStandWhereTheyMay() {
        report(
            Repository.files.flatMap { file in
                WordRule.all.flatMap { $0.violations(in: file) }
            }
        )
    }

    @Test func filesHaveTheirShape() {
        let files = Repository.files
        report(files.flatMap(ShapeRules.blanks))
        report(files.flatMap(ShapeRules.licence))
        report(files.flatMap(ShapeRules.unfinished))
        report(files.flatMap(ShapeRules.reasons))
        report(files.flatMap(ShapeRules.lengths))
    }

    @Test func textIsTrueEverywhere() {
        report(Repository.files.flatMap { TextRules.links($0, exists: Repository.exists) })
        report(Repository.files.flatMap(TextRules.machinePaths))
    }

    @Test func everyTargetHasItsSentence() throws {
        let layout = try #require(Repository.files.first { $0.path == "docs/layout.md" })
        for target in Set(Repository.files.filter(\.isSwift).compactMap(\.target)).sorted() {
            let isNamed = layout.lines.contains { $0.contains("`\(target)`") }
            #expect(isNamed, "docs/layout.md doesn't say what \(target) is for")
        }
    }
}
