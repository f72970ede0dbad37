# SPDX-License-Identifier: Apache-2.0
"""What cassandra-driver learns of the schema, at connecting and from events."""

import time

import pytest
from cassandra import AlreadyExists

TABLE = """
CREATE TABLE flights (
    origin text, year int, month int, day int, flight int,
    carrier text STATIC, tags set<text>, delays map<text, int>, path frozen<list<text>>,
    "Tail Number" text,
    PRIMARY KEY ((origin, year), month, day, flight)
) WITH CLUSTERING ORDER BY (month ASC, day DESC, flight ASC)
    AND comment = 'what left' AND gc_grace_seconds = 4321 AND default_time_to_live = 0
"""


@pytest.fixture
def table(cluster, session):
    session.execute(TABLE)
    return cluster.metadata.keyspaces[session.keyspace].tables["flights"]


def test_keys_and_columns(table):
    assert [column.name for column in table.partition_key] == ["origin", "year"]
    assert [column.name for column in table.clustering_key] == ["month", "day", "flight"]
    assert [column.is_reversed for column in table.clustering_key] == [False, True, False]
    types = {name: column.cql_type for name, column in table.columns.items()}
    assert types == {
        "origin": "text", "year": "int", "month": "int", "day": "int", "flight": "int",
        "carrier": "text", "tags": "set<text>", "delays": "map<text, int>",
        "path": "frozen<list<text>>", "Tail Number": "text",
    }  # fmt: skip
    assert [name for name, column in table.columns.items() if column.is_static] == ["carrier"]


def test_options(table):
    assert table.options["comment"] == "what left"
    assert table.options["gc_grace_seconds"] == 4321
    assert not table.is_compact_storage


def test_driver_can_write_the_table_as_cql(cluster, session, table):
    text = table.as_cql_query()
    session.execute("DROP TABLE flights")
    session.execute(text.replace("flights", "flights2", 1))
    copy = cluster.metadata.keyspaces[session.keyspace].tables["flights2"]
    assert list(copy.columns) == list(table.columns)
    assert [c.name for c in copy.primary_key] == [c.name for c in table.primary_key]


def test_server_describes_what_can_be_run_again(cluster, session, table):
    row = session.execute("DESCRIBE TABLE flights").one()
    assert (row.keyspace_name, row.type, row.name) == (session.keyspace, "table", "flights")
    session.execute("DROP TABLE flights")
    session.execute(row.create_statement)
    again = session.execute("DESCRIBE TABLE flights").one()
    assert again.create_statement == row.create_statement


def test_replication(cluster, session):
    keyspace = cluster.metadata.keyspaces[session.keyspace]
    assert keyspace.durable_writes is True
    assert keyspace.replication_strategy.export_for_schema().replace(" ", "") in (
        "{'class':'SimpleStrategy','replication_factor':'1'}",
        "{'class':'org.apache.cassandra.locator.SimpleStrategy','replication_factor':'1'}",
    )


def test_changes_are_seen_at_once(cluster, session):
    tables = lambda: cluster.metadata.keyspaces[session.keyspace].tables  # noqa: E731
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
    assert list(tables()["t"].columns) == ["k", "v"]
    session.execute("ALTER TABLE t ADD w text")
    assert tables()["t"].columns["w"].cql_type == "text"
    session.execute("ALTER TABLE t DROP v")
    assert list(tables()["t"].columns) == ["k", "w"]
    session.execute("ALTER TABLE t RENAME k TO key")
    assert list(tables()["t"].columns) == ["key", "w"]
    session.execute("ALTER TABLE t WITH comment = 'changed'")
    assert tables()["t"].options["comment"] == "changed"
    session.execute("DROP TABLE t")
    assert "t" not in tables()


def test_changes_of_others_are_told_by_event(node, cluster, session):
    with node.connect() as other, other.connect(session.keyspace) as second:
        second.execute("CREATE TABLE told (k int PRIMARY KEY)")
        deadline = time.monotonic() + 10
        while "told" not in cluster.metadata.keyspaces[session.keyspace].tables:
            assert time.monotonic() < deadline, "no event came"
            time.sleep(0.05)


def test_schema_change_takes_no_agreement_wait(session):
    begin = time.monotonic()
    for index in range(5):
        session.execute(f"CREATE TABLE quick{index} (k int PRIMARY KEY)")
    assert time.monotonic() - begin < 5


def test_what_exists_is_told(session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY)")
    with pytest.raises(AlreadyExists) as refusal:
        session.execute("CREATE TABLE t (k int PRIMARY KEY)")
    assert (refusal.value.keyspace, refusal.value.table) == (session.keyspace, "t")
    with pytest.raises(AlreadyExists):
        session.execute(
            f"CREATE KEYSPACE {session.keyspace} WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
    session.execute("CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY)")
    session.execute("DROP TABLE IF EXISTS nothing_there")


def test_system_keyspaces_can_be_read(session):
    names = {row.keyspace_name for row in session.execute("SELECT * FROM system_schema.keyspaces")}
    assert {"system", "system_schema", session.keyspace} <= names
    for table in ("tables", "columns", "types", "functions", "aggregates", "indexes", "views"):
        list(session.execute(f"SELECT * FROM system_schema.{table}"))
    for table in ("keyspaces", "tables", "columns"):
        list(session.execute(f"SELECT * FROM system_virtual_schema.{table}"))
