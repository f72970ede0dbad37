# SPDX-License-Identifier: Apache-2.0
"""Secondary indexes through cassandra-driver: definitions, queries, paging, building."""

import time

import pytest
from cassandra import InvalidRequest
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import SimpleStatement


@pytest.fixture
def people(session):
    """A thousand rows in forty partitions, before there is any index."""
    session.execute(
        "CREATE TABLE people (city int, id int, name text, age int, tags set<text>, "
        "props map<text, int>, mayor text STATIC, PRIMARY KEY (city, id))"
    )
    insert = session.prepare(
        "INSERT INTO people (city, id, name, age, tags, props) VALUES (?, ?, ?, ?, ?, ?)"
    )
    rows = [
        (number % 40, number, f"Name{number % 100}", number % 90, {f"t{number % 7}"}, {"a": number % 5})
        for number in range(1000)
    ]
    for success, _ in execute_concurrent_with_args(session, insert, rows, concurrency=64):
        assert success
    for city in range(40):
        session.execute(f"INSERT INTO people (city, mayor) VALUES ({city}, 'm{city % 4}')")
    return session


def wait_until_built(session, index):
    deadline = time.time() + 30
    while time.time() < deadline:
        if any(row.index_name == index for row in session.execute('SELECT * FROM system."IndexInfo"')):
            return
        time.sleep(0.05)
    pytest.fail(f"{index} isn't built after 30 s")


def ids(session, where, fetch_size=None):
    statement = SimpleStatement(f"SELECT id FROM people WHERE {where}", fetch_size=fetch_size)
    return [row.id for row in session.execute(statement)]


def test_index_is_needed_and_then_answers(people):
    with pytest.raises(InvalidRequest, match="ALLOW FILTERING"):
        ids(people, "age = 7")
    filtered = ids(people, "age = 7 ALLOW FILTERING")
    people.execute("CREATE INDEX ON people (age) USING 'sai'")
    # Right at once, built or not.
    assert ids(people, "age = 7") == filtered
    wait_until_built(people, "people_age_idx")
    assert ids(people, "age = 7") == filtered
    assert len(filtered) == len([n for n in range(1000) if n % 90 == 7])


def test_ranges_intersections_and_pages(people):
    people.execute("CREATE INDEX age ON people (age) USING 'sai'")
    people.execute("CREATE INDEX name ON people (name) USING 'sai'")
    for index in ["age", "name"]:
        wait_until_built(people, index)
    assert sorted(ids(people, "age >= 10 AND age < 13", fetch_size=3)) == [
        number for number in range(1000) if 10 <= number % 90 < 13
    ]
    assert sorted(ids(people, "age IN (1, 2) AND name = 'Name1'", fetch_size=1)) == [
        number for number in range(1000) if number % 90 in (1, 2) and number % 100 == 1
    ]
    assert sorted(ids(people, "name LIKE 'Name9%'", fetch_size=7)) == [
        number for number in range(1000) if str(number % 100).startswith("9")
    ]


def test_collections_statics_and_keys(people):
    people.execute("CREATE INDEX tags ON people (tags)")
    people.execute("CREATE INDEX props ON people (entries(props))")
    people.execute("CREATE INDEX mayor ON people (mayor)")
    people.execute("CREATE INDEX id ON people (id)")
    for index in ["tags", "props", "mayor", "id"]:
        wait_until_built(people, index)
    numbers = range(1000)
    assert sorted(ids(people, "tags CONTAINS 't3'")) == [n for n in numbers if n % 7 == 3]
    assert sorted(ids(people, "props['a'] = 2")) == [n for n in numbers if n % 5 == 2]
    assert sorted(ids(people, "mayor = 'm1'", fetch_size=10)) == [n for n in numbers if n % 4 == 1]
    assert ids(people, "id = 77") == [77]


def test_driver_knows_the_index(cluster, people):
    people.execute("CREATE CUSTOM INDEX named ON people (name) USING 'StorageAttachedIndex'")
    table = cluster.metadata.keyspaces[people.keyspace].tables["people"]
    assert table.indexes["named"].kind == "CUSTOM"
    assert "USING 'StorageAttachedIndex'" in table.as_cql_query() + table.export_as_string()
    people.execute("DROP INDEX named")
    table = cluster.metadata.keyspaces[people.keyspace].tables["people"]
    assert "named" not in table.indexes
