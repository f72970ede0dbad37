# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged survives kill -9; a clean stop leaves nothing to replay."""

import re
import subprocess

from cassandra.concurrent import execute_concurrent_with_args

from node import BINARY, free_ports

KEYSPACE = (
    "CREATE KEYSPACE d WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
)
REPLAYED = re.compile(r"Replayed ([1-9][0-9]*) writes")


def write(node, rows):
    """Writes rows one way or another and returns the keys of those that were acknowledged."""
    with node.connect() as cluster, cluster.connect() as session:
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE d.t (k int PRIMARY KEY, v text)")
        insert = session.prepare("INSERT INTO d.t (k, v) VALUES (?, ?)")
        arguments = [(k, f"value {k}") for k in range(rows)]
        results = execute_concurrent_with_args(session, insert, arguments, concurrency=100)
        assert all(success for success, _ in results)


def read(node):
    with node.connect() as cluster, cluster.connect() as session:
        return {row.k: row.v for row in session.execute("SELECT k, v FROM d.t")}


def test_killed_node_has_every_acknowledged_write(fresh_node):
    fresh_node.start()
    write(fresh_node, 2000)
    fresh_node.kill()
    fresh_node.start()
    assert read(fresh_node) == {k: f"value {k}" for k in range(2000)}
    assert REPLAYED.search(fresh_node.read_log())


def test_node_killed_while_writing_loses_nothing_acknowledged(fresh_node):
    fresh_node.start()
    acknowledged = []
    with fresh_node.connect() as cluster, cluster.connect() as session:
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE d.t (k int PRIMARY KEY, v text)")
        insert = session.prepare("INSERT INTO d.t (k, v) VALUES (?, ?)")
        futures = []
        for k in range(3000):
            future = session.execute_async(insert, (k, f"value {k}"))
            future.add_callbacks(lambda _, k=k: acknowledged.append(k), lambda _: None)
            futures.append(future)
            if k == 2000:
                futures[500].result()
                fresh_node.kill()
                break
    known = list(acknowledged)
    assert len(known) > 500
    fresh_node.start()
    found = read(fresh_node)
    assert [k for k in known if found.get(k) != f"value {k}"] == []


def test_schema_and_data_survive_many_kills(fresh_node):
    fresh_node.start()
    write(fresh_node, 10)
    for round in range(3):
        fresh_node.kill()
        fresh_node.start()
        with fresh_node.connect() as cluster, cluster.connect("d") as session:
            session.execute(f"ALTER TABLE t ADD c{round} int")
            session.execute(f"UPDATE t SET c{round} = {round} WHERE k = 1")
            session.execute(f"DELETE FROM t WHERE k = {round + 5}")
    fresh_node.kill()
    fresh_node.start()
    with fresh_node.connect() as cluster, cluster.connect("d") as session:
        row = session.execute("SELECT c0, c1, c2 FROM t WHERE k = 1").one()
        assert tuple(row) == (0, 1, 2)
        assert sorted(row.k for row in session.execute("SELECT k FROM t")) == [0, 1, 2, 3, 4, 8, 9]


def test_terminated_node_stops_cleanly_and_replays_nothing(fresh_node):
    fresh_node.start()
    write(fresh_node, 500)
    assert fresh_node.terminate() == 0
    fresh_node.start()
    assert len(read(fresh_node)) == 500
    assert not REPLAYED.search(fresh_node.read_log())


def test_node_reopens_with_another_number_of_shards(fresh_node):
    for shards in (2, 5, 1, 3):
        fresh_node.shards = shards
        fresh_node.start()
        if shards == 2:
            write(fresh_node, 300)
        assert read(fresh_node) == {k: f"value {k}" for k in range(300)}
        if shards == 5:
            fresh_node.kill()
        else:
            assert fresh_node.terminate() == 0


def test_prepared_statement_lives_through_a_restart(fresh_node):
    fresh_node.start()
    write(fresh_node, 10)
    with fresh_node.connect() as cluster, cluster.connect("d") as session:
        select = session.prepare("SELECT v FROM t WHERE k = ?")
        assert session.execute(select, (3,)).one().v == "value 3"
    assert fresh_node.terminate() == 0
    fresh_node.start()
    with fresh_node.connect() as cluster, cluster.connect("d") as session:
        # The new node doesn't know the id: it says so, and the driver prepares again.
        assert session.execute(select, (3,)).one().v == "value 3"


def test_data_folder_has_one_owner(fresh_node, tmp_path):
    fresh_node.start()
    port = free_ports(1)[0]
    command = [BINARY, "serve", "--data", str(fresh_node.data), "--cql-port", str(port)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "in use by another" in second.stdout + second.stderr
    assert fresh_node.is_alive()


def test_wrong_configuration_names_the_line(tmp_path):
    config = tmp_path / "tholos.yaml"
    config.write_text("cluster_name: x\n\nmemtable_space: 12MB\n")
    command = [BINARY, "serve", "--data", str(tmp_path / "data"), "--config", str(config)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert f"{config}:3: memtable_space" in run.stderr
