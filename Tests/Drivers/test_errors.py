# SPDX-License-Identifier: Apache-2.0
"""A mistake gets the error code and a sentence that names it, and the connection goes on."""

import pytest
from cassandra import AlreadyExists, InvalidRequest
from cassandra.protocol import ConfigurationException, SyntaxException


@pytest.fixture
def table(session):
    session.execute(
        "CREATE TABLE t (p int, c int, v text, s int STATIC, l list<int>, PRIMARY KEY (p, c))"
    )
    return session


SYNTAX = [
    ("SELEC * FROM t", "line 1:"),
    ("SELECT * FROM", "line 1:"),
    ("SELECT * FROM t WHERE", "line 1:"),
    ("SELECT * FROM t\nWHERE p = = 1", "line 2:"),
    ("INSERT INTO t (p, c) VALUES (1, 'unterminated)", "line 1:"),
    ("", "line 1:"),
    (";", "line 1:"),
    ("SELECT * FROM t; SELECT * FROM t", "line 1:"),
]


@pytest.mark.parametrize("statement, words", SYNTAX)
def test_syntax_error_names_the_place(table, statement, words):
    with pytest.raises(SyntaxException) as refusal:
        table.execute(statement)
    assert words in str(refusal.value)


INVALID = [
    ("SELECT * FROM nowhere", "nowhere"),
    ("SELECT * FROM nokeyspace.t", "nokeyspace"),
    ("SELECT nothing FROM t", "nothing"),
    ("SELECT * FROM t WHERE nothing = 1", "nothing"),
    ("SELECT * FROM t WHERE p = 'text'", "p"),
    ("SELECT * FROM t WHERE c = 1", "ALLOW FILTERING"),
    ("SELECT * FROM t WHERE p > 1", ""),
    ("SELECT nofunction(p) FROM t", "nofunction"),
    ("SELECT * FROM t WHERE p = 1 ORDER BY v", "v"),
    ("SELECT * FROM t LIMIT 0", "LIMIT"),
    ("INSERT INTO t (c, v) VALUES (1, 'x')", "p"),
    ("INSERT INTO t (p, v) VALUES (1, 'x')", "c"),
    ("INSERT INTO t (p, c, v) VALUES (1, 1, 5)", "v"),
    ("INSERT INTO t (p, c) VALUES (1, 99999999999)", "99999999999"),
    ("INSERT INTO t (p, c, v) VALUES (1, 2)", ""),
    ("INSERT INTO t (p, c, v) VALUES (null, 1, 'x')", "p"),
    ("UPDATE t SET v = 'x' WHERE p = 1", "c"),
    ("UPDATE t SET p = 1 WHERE p = 1 AND c = 1", "p"),
    ("UPDATE t SET nothing = 1 WHERE p = 1 AND c = 1", "nothing"),
    ("UPDATE t SET l[5] = 1 WHERE p = 1 AND c = 1", ""),
    ("DELETE FROM t WHERE c = 1", "p"),
    ("INSERT INTO t (p, c) VALUES (1, 1) USING TTL -1", "TTL"),
    ("CREATE TABLE x (k int)", "PRIMARY KEY"),
    ("CREATE TABLE x (k int, k int, PRIMARY KEY (k))", "k"),
    ("CREATE TABLE x (k int, PRIMARY KEY (nothing))", "nothing"),
    ("CREATE TABLE x (k nosuchtype PRIMARY KEY)", "nosuchtype"),
    ("CREATE TABLE x (k list<int> PRIMARY KEY)", "k"),
    ("ALTER TABLE t DROP p", "p"),
    ("ALTER TABLE t ADD v int", "v"),
    ("DROP TABLE nowhere", "nowhere"),
    ("DROP KEYSPACE nokeyspace", "nokeyspace"),
    ("USE nokeyspace", "nokeyspace"),
    ("TRUNCATE nowhere", "nowhere"),
]


@pytest.mark.parametrize("statement, words", INVALID)
def test_invalid_request_names_what_is_wrong(table, statement, words):
    with pytest.raises((InvalidRequest, ConfigurationException)) as refusal:
        table.execute(statement)
    assert words in str(refusal.value)
    assert table.execute("SELECT key FROM system.local").one().key == "local"


NOT_THERE = [
    ("CREATE MATERIALIZED VIEW x AS SELECT * FROM t WHERE p IS NOT NULL PRIMARY KEY (c, p)", "view"),
    ("CREATE FUNCTION f (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'x'", "function"),
    ("CREATE TYPE y (a int)", "type"),
    ("CREATE TRIGGER x ON t USING 'y'", "trigger"),
    ("CREATE ROLE r", "role"),
    ("GRANT ALL ON t TO r", "grant"),
    ("SELECT p + 1 FROM t", "arithmetic"),
    ("SELECT JSON * FROM t", "json"),
]


@pytest.mark.parametrize("statement, word", NOT_THERE)
def test_what_is_not_there_says_so_by_name(table, statement, word):
    with pytest.raises((InvalidRequest, SyntaxException)) as refusal:
        table.execute(statement)
    assert word in str(refusal.value).lower()


def test_keyspace_options_are_checked(session):
    for replication in (
        "{}",
        "{'class': 'NoSuchStrategy'}",
        "{'class': 'SimpleStrategy', 'replication_factor': 'x'}",
    ):
        with pytest.raises((InvalidRequest, ConfigurationException)):
            session.execute(f"CREATE KEYSPACE wrong WITH replication = {replication}")
    with pytest.raises((InvalidRequest, ConfigurationException, SyntaxException)):
        session.execute("CREATE TABLE x (k int PRIMARY KEY) WITH nosuchoption = 1")


def test_errors_of_prepared_statements(table):
    with pytest.raises(SyntaxException):
        table.prepare("SELEC * FROM t")
    with pytest.raises(InvalidRequest):
        table.prepare("SELECT nothing FROM t WHERE p = ?")
    select = table.prepare("SELECT * FROM t WHERE p = ?")
    table.execute("DROP TABLE t")
    with pytest.raises(InvalidRequest):
        table.execute(select, (1,))


def test_statement_too_deep_is_refused(table):
    deep = "[" * 20_000 + "]" * 20_000
    with pytest.raises((SyntaxException, InvalidRequest)):
        table.execute(f"INSERT INTO t (p, c, l) VALUES (1, 1, {deep})")
    many = " AND ".join("p = 1" for _ in range(5000))
    with pytest.raises((SyntaxException, InvalidRequest)):
        table.execute(f"SELECT * FROM t WHERE {many}")
    assert table.execute("SELECT key FROM system.local").one().key == "local"


def test_statement_too_large_is_refused(table):
    text = "x" * (2 << 20)
    with pytest.raises((SyntaxException, InvalidRequest)) as refusal:
        table.execute(f"INSERT INTO t (p, c, v) VALUES (1, 1, '{text}')")
    assert "1" in str(refusal.value)
    assert table.execute("SELECT key FROM system.local").one().key == "local"


def test_already_exists_has_its_code(table):
    with pytest.raises(AlreadyExists):
        table.execute("CREATE TABLE t (k int PRIMARY KEY)")
