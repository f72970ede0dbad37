# SPDX-License-Identifier: Apache-2.0
"""Statements through cassandra-driver: reads, writes, paging, batches, conditions, concurrency."""

import time

import pytest
from cassandra import ConsistencyLevel
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement


@pytest.fixture
def readings(session):
    """Ten partitions of a hundred rows each, clustered newest first, with a static column."""
    session.execute(
        "CREATE TABLE readings (sensor int, at int, place text STATIC, value double, "
        "PRIMARY KEY (sensor, at)) WITH CLUSTERING ORDER BY (at DESC)"
    )
    place = session.prepare("INSERT INTO readings (sensor, place) VALUES (?, ?)")
    insert = session.prepare("INSERT INTO readings (sensor, at, value) VALUES (?, ?, ?)")
    for sensor in range(10):
        session.execute(place, (sensor, f"room {sensor}"))
    rows = [(sensor, at, at / 4) for sensor in range(10) for at in range(100)]
    for success, _ in execute_concurrent_with_args(session, insert, rows, concurrency=64):
        assert success
    return session


def values(session, query, *arguments):
    return [tuple(row) for row in session.execute(query, arguments or None)]


def test_partition_is_read_in_clustering_order(readings):
    assert [at for (at,) in values(readings, "SELECT at FROM readings WHERE sensor = 3")] == list(
        range(99, -1, -1)
    )
    ascending = "SELECT at FROM readings WHERE sensor = 3 ORDER BY at ASC LIMIT 3"
    assert values(readings, ascending) == [(0,), (1,), (2,)]


def test_slices_and_lists_of_keys(readings):
    assert values(
        readings, "SELECT at, value FROM readings WHERE sensor = 1 AND at > 10 AND at <= 13"
    ) == [(13, 3.25), (12, 3.0), (11, 2.75)]
    assert sorted(
        values(readings, "SELECT sensor, at FROM readings WHERE sensor IN (2, 5) AND at IN (7, 9)")
    ) == [(2, 7), (2, 9), (5, 7), (5, 9)]


def test_static_column_stands_beside_each_row(readings):
    assert values(readings, "SELECT place FROM readings WHERE sensor = 4 LIMIT 2") == [
        ("room 4",),
        ("room 4",),
    ]
    assert sorted(values(readings, "SELECT DISTINCT sensor, place FROM readings"))[:2] == [
        (0, "room 0"),
        (1, "room 1"),
    ]


def test_limits(readings):
    assert len(values(readings, "SELECT at FROM readings LIMIT 7")) == 7
    per_partition = values(readings, "SELECT sensor, at FROM readings PER PARTITION LIMIT 2")
    assert len(per_partition) == 20
    assert {at for _, at in per_partition} == {99, 98}


def test_token_ranges_cover_everything_once(readings):
    low = values(readings, "SELECT sensor, at FROM readings WHERE token(sensor) <= 0")
    high = values(readings, "SELECT sensor, at FROM readings WHERE token(sensor) > 0")
    assert len(low) + len(high) == 1000
    assert len(set(low) | set(high)) == 1000
    tokens = [t for (t,) in values(readings, "SELECT token(sensor) FROM readings")]
    assert tokens == sorted(tokens)


def test_filtering_must_be_allowed(readings):
    query = "SELECT sensor, at FROM readings WHERE value = 5.0"
    with pytest.raises(Exception, match="ALLOW FILTERING"):
        readings.execute(query)
    assert len(values(readings, query + " ALLOW FILTERING")) == 10


def test_aggregates(readings):
    assert values(
        readings,
        "SELECT count(*), min(at), max(at), sum(value), avg(value) FROM readings WHERE sensor = 0",
    ) == [(100, 0, 99, 1237.5, 12.375)]
    assert values(readings, "SELECT count(*) FROM readings") == [(1000,)]
    grouped = values(readings, "SELECT sensor, count(*), max(value) FROM readings GROUP BY sensor")
    assert sorted(grouped) == [(sensor, 100, 24.75) for sensor in range(10)]


@pytest.mark.parametrize("size", [1, 7, 100, 999, 1000, 5000])
def test_pages_hold_every_row_once(readings, size):
    statement = SimpleStatement("SELECT sensor, at FROM readings", fetch_size=size)
    rows = [tuple(row) for row in readings.execute(statement)]
    assert len(rows) == 1000 and len(set(rows)) == 1000


def test_page_is_resumed_by_its_state(readings):
    statement = SimpleStatement("SELECT at FROM readings WHERE sensor = 6", fetch_size=30)
    first = readings.execute(statement)
    seen = [row.at for row in first.current_rows]
    assert len(seen) == 30
    state = first.paging_state
    while state:
        page = readings.execute(statement, paging_state=state)
        seen += [row.at for row in page.current_rows]
        state = page.paging_state
    assert seen == list(range(99, -1, -1))


def test_pages_with_limit_stop_at_it(readings):
    statement = SimpleStatement("SELECT at FROM readings LIMIT 25", fetch_size=10)
    assert len(list(readings.execute(statement))) == 25


def test_named_and_positional_markers(session):
    session.execute("CREATE TABLE t (k int, c text, v int, PRIMARY KEY (k, c))")
    insert = session.prepare("INSERT INTO t (k, c, v) VALUES (:key, :name, :value)")
    session.execute(insert, {"value": 3, "key": 1, "name": "a"})
    session.execute("INSERT INTO t (k, c, v) VALUES (%s, %s, %s)", (1, "b", 4))
    select = session.prepare("SELECT v FROM t WHERE k = ? AND c IN ?")
    assert [row.v for row in session.execute(select, (1, ["a", "b"]))] == [3, 4]
    limited = session.prepare("SELECT v FROM t WHERE k = :k LIMIT :n")
    assert [row.v for row in session.execute(limited, {"k": 1, "n": 1})] == [3]


def test_unset_leaves_and_null_removes(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, a int, b int)")
    insert = session.prepare("INSERT INTO t (k, a, b) VALUES (?, ?, ?)")
    session.execute(insert, (1, 1, 1))
    session.execute(insert, (1, UNSET_VALUE, None))
    row = session.execute("SELECT a, b FROM t").one()
    assert (row.a, row.b) == (1, None)


def test_time_to_live_and_write_time(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int, w int)")
    session.execute("INSERT INTO t (k, v) VALUES (1, 1) USING TTL 1000 AND TIMESTAMP 12345")
    session.execute("UPDATE t USING TIMESTAMP 12346 SET w = 2 WHERE k = 1")
    row = session.execute("SELECT ttl(v), writetime(v), ttl(w), writetime(w) FROM t").one()
    assert 0 < row[0] <= 1000 and row[1] == 12345 and row[2] is None and row[3] == 12346
    session.execute("UPDATE t USING TIMESTAMP 12000 SET v = 9 WHERE k = 1")
    assert session.execute("SELECT v FROM t").one().v == 1


def test_expired_cell_is_gone(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    session.execute("INSERT INTO t (k, v) VALUES (1, 1)")
    session.execute("UPDATE t USING TTL 1 SET v = 2 WHERE k = 1")
    deadline = time.monotonic() + 10
    while session.execute("SELECT v FROM t WHERE k = 1").one().v is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_deletions_of_every_kind(session):
    session.execute(
        "CREATE TABLE t (p int, c int, d int, s int STATIC, v int, PRIMARY KEY (p, c, d))"
    )
    insert = session.prepare("INSERT INTO t (p, c, d, s, v) VALUES (?, ?, ?, ?, ?)")
    for p in range(3):
        for c in range(4):
            for d in range(4):
                session.execute(insert, (p, c, d, p, c * 10 + d))
    session.execute("DELETE v FROM t WHERE p = 0 AND c = 0 AND d = 0")
    session.execute("DELETE FROM t WHERE p = 0 AND c = 0 AND d = 1")
    session.execute("DELETE FROM t WHERE p = 0 AND c = 1")
    session.execute("DELETE FROM t WHERE p = 0 AND c = 2 AND d >= 1 AND d < 3")
    session.execute("DELETE FROM t WHERE p = 1")
    session.execute("DELETE s FROM t WHERE p = 2")
    rows = values(session, "SELECT c, d, v FROM t WHERE p = 0")
    assert rows == [
        (0, 0, None), (0, 2, 2), (0, 3, 3), (2, 0, 20), (2, 3, 23),
        (3, 0, 30), (3, 1, 31), (3, 2, 32), (3, 3, 33),
    ]  # fmt: skip
    assert values(session, "SELECT * FROM t WHERE p = 1") == []
    assert values(session, "SELECT s FROM t WHERE p = 2 LIMIT 1") == [(None,)]


@pytest.mark.parametrize("kind", [BatchType.LOGGED, BatchType.UNLOGGED])
def test_batches(session, kind):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    batch = BatchStatement(batch_type=kind, consistency_level=ConsistencyLevel.ONE)
    for k in range(20):
        batch.add(insert, (k, k))
    batch.add("INSERT INTO t (k, v) VALUES (20, 20)")
    batch.add(SimpleStatement("DELETE FROM t WHERE k = %s"), (999,))
    session.execute(batch)
    assert len(list(session.execute("SELECT k FROM t"))) == 21
    session.execute(
        "BEGIN BATCH INSERT INTO t (k, v) VALUES (30, 1); UPDATE t SET v = 2 WHERE k = 31; "
        "DELETE FROM t WHERE k = 0; APPLY BATCH"
    )
    assert sorted(row.k for row in session.execute("SELECT k FROM t"))[-2:] == [30, 31]


def test_conditions(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    first = session.execute("INSERT INTO t (k, v) VALUES (1, 1) IF NOT EXISTS")
    assert first.was_applied
    again = session.execute("INSERT INTO t (k, v) VALUES (1, 2) IF NOT EXISTS")
    assert not again.was_applied
    row = session.execute("INSERT INTO t (k, v) VALUES (1, 2) IF NOT EXISTS").one()
    assert (row.applied, row.k, row.v) == (False, 1, 1)
    refused = session.execute("UPDATE t SET v = 3 WHERE k = 1 IF v = 7").one()
    assert (refused.applied, refused.v) == (False, 1)
    assert session.execute("UPDATE t SET v = 3 WHERE k = 1 IF v IN (1, 7)").was_applied
    assert not session.execute("UPDATE t SET v = 3 WHERE k = 2 IF EXISTS").was_applied
    assert session.execute("DELETE FROM t WHERE k = 1 IF v > 2").was_applied
    assert values(session, "SELECT * FROM t") == []


def test_conditional_writes_race_to_one_winner(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS")
    futures = [session.execute_async(insert, (k % 10, k)) for k in range(200)]
    winners = [k for k, future in enumerate(futures) if future.result().was_applied]
    assert len(winners) == 10
    rows = dict(values(session, "SELECT k, v FROM t"))
    assert sorted(rows.values()) == sorted(winners)


def test_conditional_batch_is_all_or_nothing(session):
    session.execute("CREATE TABLE t (p int, c int, v int, PRIMARY KEY (p, c))")
    batch = (
        "BEGIN BATCH INSERT INTO t (p, c, v) VALUES (1, {a}, 1) IF NOT EXISTS; "
        "INSERT INTO t (p, c, v) VALUES (1, {b}, 1) IF NOT EXISTS; APPLY BATCH"
    )
    assert session.execute(batch.format(a=1, b=2)).was_applied
    assert not session.execute(batch.format(a=2, b=3)).was_applied
    assert values(session, "SELECT c FROM t WHERE p = 1") == [(1,), (2,)]


def test_many_requests_in_flight(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    rows = [(k, f"value {k}") for k in range(5000)]
    for success, result in execute_concurrent_with_args(session, insert, rows, concurrency=500):
        assert success, result
    select = session.prepare("SELECT v FROM t WHERE k = ?")
    keys = [(k,) for k in range(5000)]
    found = execute_concurrent_with_args(session, select, keys, concurrency=500)
    assert [result.one().v for _, result in found] == [f"value {k}" for k in range(5000)]


def test_prepared_statement_follows_a_changed_table(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, a int)")
    session.execute("INSERT INTO t (k, a) VALUES (1, 1)")
    select = session.prepare("SELECT * FROM t WHERE k = ?")
    assert session.execute(select, (1,)).one() == (1, 1)
    session.execute("ALTER TABLE t ADD b text")
    session.execute("UPDATE t SET b = 'new' WHERE k = 1")
    row = session.execute(select, (1,)).one()
    assert (row.a, row.b) == (1, "new")


def test_names_of_result_columns(session):
    session.execute('CREATE TABLE t (k int PRIMARY KEY, "Mixed Case" int)')
    session.execute('INSERT INTO t (k, "Mixed Case") VALUES (1, 2)')
    assert session.execute("SELECT * FROM t").column_names == ["k", "Mixed Case"]
    assert session.execute("SELECT k AS key FROM t").column_names == ["key"]
    names = session.execute("SELECT count(*), max(k), writetime(\"Mixed Case\") FROM t").column_names
    assert names == ["count", "system.max(k)", "writetime(Mixed Case)"]


def test_json(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    try:
        session.execute("INSERT INTO t JSON '{\"k\": 1, \"v\": \"x\"}'")
    except Exception as error:  # Either it is there, or the refusal names it.
        assert "JSON" in str(error)
    else:
        assert session.execute("SELECT JSON * FROM t").one()[0] == '{"k": 1, "v": "x"}'


def test_truncate(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    for k in range(50):
        session.execute("INSERT INTO t (k, v) VALUES (%s, 1)", (k,))
    session.execute("TRUNCATE t")
    assert values(session, "SELECT * FROM t") == []
    session.execute("INSERT INTO t (k, v) VALUES (1, 2)")
    assert values(session, "SELECT * FROM t") == [(1, 2)]
