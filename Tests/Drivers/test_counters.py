# SPDX-License-Identifier: Apache-2.0
"""Counters, as the driver sees them."""

import threading

import pytest
from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.query import BatchStatement, BatchType, SimpleStatement


TABLE = "(p int, c int, a counter, b counter, s counter static, PRIMARY KEY (p, c))"


@pytest.fixture
def table(session):
    session.execute(f"CREATE TABLE t {TABLE}")
    return "t"


def test_increments_add_up(session, table):
    add = session.prepare(f"UPDATE {table} SET a = a + ?, b = b - ? WHERE p = 1 AND c = 1")
    assert session.execute(f"SELECT a FROM {table} WHERE p = 1").one() is None
    for number in range(10):
        session.execute(add, (number, 2))
    session.execute(f"UPDATE {table} SET s += 7 WHERE p = 1")
    session.execute(f"UPDATE {table} SET s -= 2 WHERE p = 1")
    assert tuple(session.execute(f"SELECT a, b, s FROM {table} WHERE p = 1").one()) == (45, -20, 5)
    assert session.execute(f"SELECT sum(a), max(b) FROM {table}").one() == (45, -20)
    assert session.execute(f"SELECT writetime(a) FROM {table} WHERE p = 1").one()[0] > 1_600_000_000_000_000
    assert session.execute(f"SELECT c FROM {table} WHERE p = 1 AND a = 45 ALLOW FILTERING").one().c == 1


def test_many_at_once_lose_nothing(session, table):
    add = session.prepare(f"UPDATE {table} SET a = a + 1 WHERE p = 2 AND c = ?")

    def count():
        for future in [session.execute_async(add, (i % 3,)) for i in range(300)]:
            future.result()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.a for row in session.execute(f"SELECT a FROM {table} WHERE p = 2")] == [400, 400, 400]


def test_batches(session, table):
    batch = BatchStatement(batch_type=BatchType.COUNTER)
    for key in (1, 2, 1):
        batch.add(SimpleStatement(f"UPDATE {table} SET a = a + 5 WHERE p = 3 AND c = {key}"))
    session.execute(batch)
    session.execute(
        f"BEGIN COUNTER BATCH UPDATE {table} SET a = a - 1 WHERE p = 3 AND c = 1;"
        f" UPDATE {table} SET b = b + 1 WHERE p = 3 AND c = 1; APPLY BATCH"
    )
    rows = session.execute(f"SELECT c, a, b FROM {table} WHERE p = 3")
    assert [tuple(row) for row in rows] == [(1, 9, 1), (2, 5, None)]


def test_deletions(session, table):
    for key in (1, 2):
        session.execute(f"UPDATE {table} SET a = a + 5, b = b + 1 WHERE p = 4 AND c = {key}")
    session.execute(f"DELETE a FROM {table} WHERE p = 4 AND c = 1")
    session.execute(f"DELETE FROM {table} WHERE p = 4 AND c = 2")
    rows = session.execute(f"SELECT c, a, b FROM {table} WHERE p = 4")
    assert [tuple(row) for row in rows] == [(1, None, 1)]
    session.execute(f"TRUNCATE {table}")
    assert session.execute(f"SELECT count(*) FROM {table}").one()[0] == 0


@pytest.mark.parametrize(
    "statement, words",
    [
        ("INSERT INTO t (p, c, a) VALUES (1, 1, 1)", "INSERT statements are not allowed"),
        ("UPDATE t SET a = 5 WHERE p = 1 AND c = 1", "can only be incremented/decremented"),
        ("UPDATE t USING TTL 9 SET a = a + 5 WHERE p = 1 AND c = 1", "custom TTL"),
        ("UPDATE t USING TIMESTAMP 9 SET a = a + 5 WHERE p = 1 AND c = 1", "custom timestamp"),
        ("UPDATE t SET a = a + 5 WHERE p = 1 AND c = 1 IF a = 3", "Conditional updates"),
        ("UPDATE t SET a = a + null WHERE p = 1 AND c = 1", "Invalid null value"),
        ("UPDATE t SET a = a - -9223372036854775808 WHERE p = 1 AND c = 1", "overflows"),
        ("CREATE INDEX ON t (a)", "counter tables"),
        ("CREATE TABLE u (p int PRIMARY KEY, a counter, b int)", "Cannot mix counter"),
        ("CREATE TABLE u (p counter PRIMARY KEY, a counter)", "PRIMARY KEY"),
        ("CREATE TABLE u (p int PRIMARY KEY, a list<counter>)", "not allowed inside"),
        (
            "CREATE TABLE u (p int PRIMARY KEY, a counter) WITH default_time_to_live = 5",
            "default_time_to_live",
        ),
        (
            "BEGIN BATCH UPDATE t SET a = a + 5 WHERE p = 1 AND c = 1; APPLY BATCH",
            "logged batch",
        ),
    ],
)
def test_what_counters_do_not_do(session, table, statement, words):
    with pytest.raises(Exception) as caught:
        session.execute(statement)
    assert words in str(caught.value)


def test_a_kill_keeps_what_was_acknowledged(fresh_node):
    fresh_node.start()
    with fresh_node.connect() as cluster, cluster.connect() as session:
        session.execute(
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute(f"CREATE TABLE k.t {TABLE}")
        statement = SimpleStatement("UPDATE k.t SET a = a + 1 WHERE p = 9 AND c = 1")
        with pytest.raises(InvalidRequest):
            statement.consistency_level = ConsistencyLevel.ANY
            session.execute(statement)
        statement.consistency_level = ConsistencyLevel.QUORUM
        for _ in range(3):
            session.execute(statement)
    fresh_node.kill()
    fresh_node.start()
    with fresh_node.connect() as cluster, cluster.connect() as session:
        session.execute("UPDATE k.t SET a = a + 1 WHERE p = 9 AND c = 1")
        assert session.execute("SELECT a FROM k.t WHERE p = 9").one().a == 4
