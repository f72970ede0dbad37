// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser

/// `tholos import`: files of records into a table.
package struct ImportCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Load CSV, TSV or NDJSON files into a table.",
        discussion: """
            The table is created with --create and --key; without --key, the proposed table and \
            keys that fit the data are shown. Fields go into the columns of the same names.

            Records that cannot be written (a wrong type, a missing key, a wrong number of fields) \
            are kept in a reject file with file, line and reason, and the rest is written. An \
            interrupted import goes on where it stopped when the same command is given again.

            EXAMPLES
              tholos import --embedded db --create \\
                  --key '((origin, year, month), day, sched_dep_time, carrier, flight)' \\
                  demo.flights flights.csv.gz
              tholos import --dry-run demo.weather weather.csv.gz    # propose a table, check data
              zcat events.ndjson.gz | tholos import --host db1 app.events -
              tholos import --columns carrier,name --null '' demo.airlines airlines.csv

            EXIT CODES
              0  every record was written        1  some records were rejected
              2  wrong arguments, nothing done   3  stopped by a failure
              130  stopped by a signal; the same command resumes
            """
    )

    @OptionGroup package var arguments: ImportArguments

    package init() {}
}
