// SPDX-License-Identifier: Apache-2.0

/// What `HELP` says of the shell's own commands.
enum ShellTopics {
    static let all: [HelpTopics.Topic] = [
        .init(
            name: "CAPTURE",
            summary: "write results to a file instead of the screen",
            text: """
                CAPTURE 'file'   results go to the end of the file from now on, without colours
                CAPTURE OFF      results are shown again
                CAPTURE          where results go

                Errors, and answers of the shell's own commands, are still shown.
                """
        ),
        .init(
            name: "CLEAR",
            summary: "clear the screen",
            text: "CLEAR (or CLS)"
        ),
        .init(
            name: "CONSISTENCY",
            summary: "how many replicas have to answer",
            text: """
                CONSISTENCY          the present level
                CONSISTENCY level    use another one from now on; ONE to begin with

                ANY, ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, and for
                reads that see conditional writes SERIAL and LOCAL_SERIAL.
                """
        ),
        .init(
            name: "DESCRIBE",
            summary: "show the schema, or the statements that make it again",
            text: """
                DESCRIBE KEYSPACES              the names of all keyspaces
                DESCRIBE TABLES                 the names of the tables
                DESCRIBE KEYSPACE [name]        statements that make the keyspace and its tables
                DESCRIBE TABLE [keyspace.]name  the statement that makes the table
                DESCRIBE [FULL] SCHEMA          statements that make everything
                DESCRIBE CLUSTER                the cluster's name and partitioner
                DESCRIBE name                   a keyspace or a table of that name

                DESC is short for DESCRIBE.
                """
        ),
        .init(
            name: "EXIT",
            summary: "leave the shell",
            text: "EXIT (or QUIT, or Ctrl-D)"
        ),
        .init(
            name: "EXPAND",
            summary: "show each row with one column a line",
            text: """
                EXPAND ON | OFF    for rows that are too wide for the screen
                EXPAND             how it stands
                """
        ),
        .init(
            name: "FORMAT",
            summary: "write rows as a table, as JSON or as CSV",
            text: """
                FORMAT TABLE | JSON | CSV    JSON is one object a line
                FORMAT                       how it stands

                Together with CAPTURE 'file' it makes an export.
                """
        ),
        .init(
            name: "HELP",
            summary: "list the topics, or explain one",
            text: "HELP [topic]"
        ),
        .init(
            name: "HISTORY",
            summary: "show what was entered",
            text: """
                HISTORY [n]    the last n entries, 50 if not said

                Kept in ~/.tholos_history, or in the file that THOLOS_HISTORY names (none when it is
                empty). Entries that name a password are not written to it.
                """
        ),
        .init(
            name: "PAGING",
            summary: "pause after each page of rows",
            text: """
                PAGING ON | OFF    whether to pause
                PAGING n           pause after n rows; 100 to begin with
                PAGING             how it stands

                At ---MORE---, q ends the listing and any other key goes on.
                """
        ),
        .init(
            name: "SERIAL CONSISTENCY",
            summary: "the level of conditional statements' agreement",
            text: """
                SERIAL CONSISTENCY                          the present level
                SERIAL CONSISTENCY SERIAL | LOCAL_SERIAL    among all, or this data centre's replicas
                """
        ),
        .init(
            name: "SHOW",
            summary: "what the shell is connected to",
            text: """
                SHOW VERSION    the versions of the shell, the database and the protocol
                SHOW HOST       the cluster's name and address
                """
        ),
        .init(
            name: "SOURCE",
            summary: "run the statements of a file",
            text: """
                SOURCE 'file'    up to the first that fails; ~/ is your home folder

                See also `tholos shell -f file`.
                """
        ),
        .init(
            name: "TIMING",
            summary: "show how long each statement took",
            text: """
                TIMING ON | OFF    from sending it to having shown what it yields
                TIMING             how it stands
                """
        ),
        .init(
            name: "TRACING",
            summary: "ask the server to record what it does",
            text: """
                TRACING ON | OFF    for the statements that follow
                TRACING             how it stands

                The server does not record traces yet.
                """
        ),
    ]
}
