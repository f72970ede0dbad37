# SPDX-License-Identifier: Apache-2.0
"""A cluster of three nodes and more, started by tools/cluster, as drivers see it."""

import json
import os
import random
import socket
import subprocess
import threading
import time

import pytest
from cassandra import ConsistencyLevel, ReadTimeout, Unavailable, WriteTimeout
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.protocol import ErrorMessage
from cassandra.policies import (
    ConstantReconnectionPolicy,
    FallthroughRetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.query import SimpleStatement

from node import BINARY, ROOT

NET = "127.0.77"


class Nodes:
    """The nodes of a cluster, by their numbers from 1."""

    def __init__(self, folder):
        self.environment = dict(
            os.environ,
            THOLOS_CLUSTER=str(folder),
            THOLOS_CLUSTER_NET=NET,
            THOLOS_BINARY=BINARY,
        )
        self.clusters = []

    def run(self, *arguments):
        command = [str(ROOT / "tools/cluster"), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def connect(self, *numbers, level=ConsistencyLevel.QUORUM, retry=None):
        """A session that speaks with some nodes only; with all if none are named."""
        hosts = [f"{NET}.{i}" for i in numbers]
        policy = WhiteListRoundRobinPolicy(hosts) if hosts else TokenAwarePolicy(RoundRobinPolicy())
        profile = ExecutionProfile(
            load_balancing_policy=policy,
            request_timeout=20,
            consistency_level=level,
            retry_policy=retry,
        )
        cluster = Cluster(
            hosts or [f"{NET}.1", f"{NET}.2", f"{NET}.3"],
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ConstantReconnectionPolicy(0.3),
        )
        self.clusters.append(cluster)
        return cluster.connect()

    def close(self):
        for cluster in self.clusters:
            cluster.shutdown()
        self.run("clean")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    running = Nodes(tmp_path_factory.mktemp("cluster"))
    running.run("up", 3, "--shards", "2")
    yield running
    running.close()


@pytest.fixture(scope="module")
def each(nodes):
    """A session for each node."""
    sessions = [nodes.connect(i) for i in (1, 2, 3)]
    sessions[0].execute(
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}"
    )
    return sessions


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it doesn't happen"
        time.sleep(0.1)


def test_drivers_see_all_nodes_and_their_tokens(nodes):
    session = nodes.connect()
    hosts = session.cluster.metadata.all_hosts()
    assert sorted(host.address for host in hosts) == [f"{NET}.{i}" for i in (1, 2, 3)]
    tokens = session.cluster.metadata.token_map.ring
    assert len(set(tokens)) == 48
    versions = {row.schema_version for row in session.execute("SELECT schema_version FROM system.peers")}
    local = session.execute("SELECT schema_version FROM system.local").one()
    assert versions == {local.schema_version}


def test_counters_count_once_whichever_node_is_asked(each):
    each[0].execute("CREATE TABLE k.counters (p int PRIMARY KEY, c counter)")
    adds = [session.prepare("UPDATE k.counters SET c = c + ? WHERE p = ?") for session in each]
    futures = [
        each[i % 3].execute_async(adds[i % 3], (i % 5, i % 4)) for i in range(900)
    ]
    for future in futures:
        future.result()
    wanted = [sum(i % 5 for i in range(900) if i % 4 == p) for p in range(4)]
    for session in each:
        read = session.prepare("SELECT c FROM k.counters WHERE p = ?")
        read.consistency_level = ConsistencyLevel.ALL
        assert [session.execute(read, (p,)).one().c for p in range(4)] == wanted


def test_rows_are_the_same_on_every_node(each):
    each[1].execute("CREATE TABLE k.t (p int, c int, s text static, v text, PRIMARY KEY (p, c))")
    insert = each[2].prepare("INSERT INTO k.t (p, c, v) VALUES (?, ?, ?)")
    for p in range(40):
        for c in range(10):
            each[2].execute(insert, (p, c, f"{p}.{c}"))
    each[0].execute("UPDATE k.t SET s = 'static' WHERE p = 3")
    for session in each:
        assert session.execute("SELECT count(*) FROM k.t").one()[0] == 400
        rows = list(session.execute("SELECT * FROM k.t WHERE p = 3"))
        assert [row.c for row in rows] == list(range(10))
        assert {row.s for row in rows} == {"static"}
        last = session.execute("SELECT c FROM k.t WHERE p = 3 ORDER BY c DESC LIMIT 3")
        assert [row.c for row in last] == [9, 8, 7]
        pages = session.execute(SimpleStatement("SELECT p, c, s FROM k.t", fetch_size=33))
        assert len({(row.p, row.c) for row in pages}) == 400
        assert len(list(session.execute("SELECT DISTINCT p FROM k.t"))) == 40
        assert len(list(session.execute("SELECT * FROM k.t WHERE p IN (1, 2) AND c > 5"))) == 8
        point = session.prepare("SELECT v FROM k.t WHERE p = ? AND c = ?")
        assert session.execute(point, (9, 9)).one().v == "9.9"


@pytest.mark.parametrize(
    "level", ["ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM"]
)
def test_every_level_reads_what_it_wrote(each, level):
    each[0].execute("CREATE TABLE IF NOT EXISTS k.levels (p text PRIMARY KEY, v int)")
    number = ConsistencyLevel.name_to_value[level]
    write = "INSERT INTO k.levels (p, v) VALUES (%s, 1)"
    # Below a quorum another node's replica may still be without it.
    reader = each[1] if level not in ("ONE", "LOCAL_ONE", "TWO") else each[0]
    each[0].execute(SimpleStatement(write, consistency_level=number), (level,))
    read = SimpleStatement("SELECT v FROM k.levels WHERE p = %s", consistency_level=number)
    wait_until(lambda: reader.execute(read, (level,)).one() is not None, 5)


def test_deletions_reach_every_node(each):
    each[0].execute("CREATE TABLE k.gone (p int, c int, PRIMARY KEY (p, c))")
    for c in range(10):
        each[0].execute("INSERT INTO k.gone (p, c) VALUES (1, %s)", (c,))
        each[0].execute("INSERT INTO k.gone (p, c) VALUES (2, %s)", (c,))
    each[1].execute("DELETE FROM k.gone WHERE p = 1")
    each[2].execute("DELETE FROM k.gone WHERE p = 2 AND c >= 5")
    for session in each:
        assert list(session.execute("SELECT * FROM k.gone WHERE p = 1")) == []
        assert len(list(session.execute("SELECT * FROM k.gone WHERE p = 2"))) == 5


def test_conditional_writes_have_one_winner(each):
    each[0].execute("CREATE TABLE k.cas (p int PRIMARY KEY, v int)")
    assert each[0].execute("INSERT INTO k.cas (p, v) VALUES (1, 0) IF NOT EXISTS").was_applied
    refused = each[1].execute("INSERT INTO k.cas (p, v) VALUES (1, 5) IF NOT EXISTS")
    assert not refused.was_applied and refused.one().v == 0
    applied, unknown = [], []
    serial = SimpleStatement(
        "SELECT v FROM k.cas WHERE p = 1", consistency_level=ConsistencyLevel.SERIAL
    )

    def count(session):
        done = 0
        while done < 15:
            update = "UPDATE k.cas SET v = %s WHERE p = 1 IF v = %s"
            try:
                now = session.execute(serial).one()
            except ReadTimeout:
                continue
            try:
                if session.execute(update, (now.v + 1, now.v)).was_applied:
                    done += 1
            except (WriteTimeout, ErrorMessage):
                # On a slow machine they get into each other's way; this one may have been applied.
                unknown.append(now.v)
        applied.append(done)

    threads = [threading.Thread(target=count, args=(session,)) for session in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert applied == [15, 15, 15]
    assert 45 <= each[2].execute(serial).one().v <= 45 + len(unknown)


def test_batches_lists_and_schema_changes_from_all_nodes(each):
    each[0].execute("CREATE TABLE k.mixed (p int PRIMARY KEY, l list<int>)")
    each[1].execute("INSERT INTO k.mixed (p, l) VALUES (1, [1, 2, 3])")
    each[2].execute("UPDATE k.mixed SET l[1] = 9 WHERE p = 1")
    assert each[0].execute("SELECT l FROM k.mixed WHERE p = 1").one().l == [1, 9, 3]
    each[0].execute(
        "BEGIN BATCH INSERT INTO k.mixed (p) VALUES (2); INSERT INTO k.mixed (p) VALUES (3);"
        " APPLY BATCH"
    )
    assert {row.p for row in each[1].execute("SELECT p FROM k.mixed")} == {1, 2, 3}
    threads = [
        threading.Thread(
            target=session.execute, args=(f"CREATE TABLE k.concurrent{i} (p int PRIMARY KEY)",)
        )
        for i, session in enumerate(each)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in each:
        for i in range(3):
            session.execute(f"INSERT INTO k.concurrent{i} (p) VALUES (1)")
    each[1].execute("TRUNCATE k.mixed")
    assert list(each[2].execute("SELECT * FROM k.mixed")) == []
    each[2].execute("DROP TABLE k.mixed")


def test_a_killed_node_costs_nothing_at_quorum_and_gets_its_hints(nodes, each):
    each[0].execute("CREATE TABLE k.load (p int PRIMARY KEY, v int)")
    session = nodes.connect()
    insert = session.prepare("INSERT INTO k.load (p, v) VALUES (?, ?)")
    insert.is_idempotent = True
    acknowledged, errors, times = {}, [], []
    is_over = threading.Event()

    def write():
        number = 0
        while not is_over.is_set():
            number += 1
            key = random.randrange(2000)
            try:
                session.execute(insert, (key, number))
                times.append(time.monotonic())
                acknowledged.setdefault(key, number)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(1)
    nodes.run("kill", 2)
    time.sleep(5)
    nodes.run("start", 2)
    time.sleep(1)
    is_over.set()
    thread.join()
    assert errors == []
    assert max(b - a for a, b in zip(times, times[1:])) < 2
    second = nodes.connect(2, level=ConsistencyLevel.ONE)
    first = nodes.connect(1, level=ConsistencyLevel.ONE)
    read = "SELECT p, v FROM k.load WHERE p = %s"

    def is_same():
        return all(
            second.execute(read, (key,)).one() == first.execute(read, (key,)).one()
            for key in list(acknowledged)[:300]
        )

    wait_until(is_same, 40)

    def is_connected():
        try:
            return each[1].execute("SELECT key FROM system.local").one() is not None
        except NoHostAvailable:
            return False

    wait_until(is_connected)


def test_a_fourth_node_joins_with_its_rows(nodes, each):
    nodes.run("add", "--shards", "1")
    session = nodes.connect(4)
    assert session.execute("SELECT count(*) FROM k.t").one()[0] == 400
    for other in each:
        wait_until(lambda: len(list(other.execute("SELECT peer FROM system.peers"))) == 3)
        assert other.execute("SELECT count(*) FROM k.t").one()[0] == 400


def admin(nodes, number, *arguments):
    """What `tholos admin` prints for a node."""
    command = [BINARY, "admin", "--host", f"{NET}.{number}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(nodes, number, *arguments, code):
    """What `tholos admin` says of what a node doesn't do: 1 if it can't, 2 if the arguments are wrong."""
    command = [BINARY, "admin", "--host", f"{NET}.{number}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


def test_cleanup_removes_what_the_fourth_node_owns_now(nodes, each):
    def owned(session, number):
        status = json.loads(admin(nodes, number, "--json", "status", "k"))
        members = status["data_centers"][0]["nodes"]
        return next(n["owns"] for n in members if n["address"] == f"{NET}.{number}")

    def partitions(number):
        stats = json.loads(admin(nodes, number, "--json", "tablestats", "k.t"))
        return stats["keyspaces"][0]["tables"][0]["partitions"]

    for number, session in enumerate(each, 1):
        admin(nodes, number, "compact", "k", "t")
        before = partitions(number)
        assert "Cleaned 1 table" in admin(nodes, number, "cleanup", "k", "t")
        share = owned(session, number)
        # Each node of three had everything; of four it has about three quarters.
        assert before == 40
        assert abs(partitions(number) / 40 - share) < 0.25
        assert partitions(number) < 40
    for session in each:
        assert session.execute("SELECT count(*) FROM k.t").one()[0] == 400


def test_a_node_moves_and_a_move_is_given_up_only_while_there_is_one(nodes, each):
    assert "Moved" in admin(nodes, 2, "move")
    for session in each:
        assert session.execute("SELECT count(*) FROM k.t").one()[0] == 400
    assert "nothing differed" in admin(nodes, 2, "repair", "k")
    assert "nothing is under way" in refused(nodes, 2, "abort", code=1)
    assert '"nonsense"' in refused(nodes, 2, "move", "nonsense", code=2)
    assert "isn't another data center" in refused(nodes, 2, "rebuild", "dc9", code=2)
    assert "Fetched" in admin(nodes, 2, "rebuild", "--keyspace", "k")


def test_operators_see_the_cluster_and_repair_it(nodes, each):
    status = json.loads(admin(nodes, 1, "--json", "status", "k"))
    members = status["data_centers"][0]["nodes"]
    assert sorted(node["address"] for node in members) == [f"{NET}.{i}" for i in (1, 2, 3, 4)]
    assert all(node["is_up"] and node["state"] == "normal" for node in members)
    assert abs(sum(node["owns"] for node in members) - 3) < 0.01
    assert "nothing differed" in admin(nodes, 2, "repair", "k")
    whole = json.loads(admin(nodes, 2, "--json", "repair", "k", "t"))["ranges"]
    half = json.loads(admin(nodes, 2, "--json", "repair", "-st", "-9223372036854775808", "-et", "0", "k", "t"))["ranges"]
    assert 0 < half < whole
    assert "start_token has to be the smaller one" in refused(nodes, 2, "repair", "-st", "5", "-et", "5", code=2)
    assert "Mode: NORMAL" in admin(nodes, 3, "netstats")
    assert admin(nodes, 1, "gossipinfo").count("STATUS") == 4


def test_a_node_that_came_repairs_its_ranges_by_itself(nodes, each):
    def facts():
        return json.loads(admin(nodes, 4, "--json", "netstats"))

    wait_until(lambda: facts()["repairs_done"] > 0 and facts()["repairs_overdue"] == 0, 60)
    assert facts()["repairs_failed"] == 0


def test_a_decommissioned_node_leaves_its_rows_to_the_others(nodes, each):
    assert "Left the cluster" in admin(nodes, 4, "decommission")
    for session in each:
        assert session.execute("SELECT count(*) FROM k.t").one()[0] == 400
        wait_until(lambda: len(list(session.execute("SELECT peer FROM system.peers"))) == 2)
    assert len(admin(nodes, 1, "status").split("UN ")) == 4
    # Its tokens are others' now: it takes no clients any more.
    with pytest.raises(OSError):
        socket.create_connection((f"{NET}.4", 9042), timeout=5).close()


def test_without_a_quorum_the_error_says_so(nodes, each):
    each[0].execute("CREATE TABLE k.alone (p int PRIMARY KEY)")
    nodes.run("kill", 2)
    nodes.run("kill", 3)
    level = ConsistencyLevel.ALL
    session = nodes.connect(1, retry=FallthroughRetryPolicy())

    def is_unavailable():
        try:
            statement = SimpleStatement("SELECT * FROM k.alone WHERE p = 1", consistency_level=level)
            session.execute(statement)
        except Unavailable as error:
            assert error.required_replicas == 3
            return error.alive_replicas < 3
        except ReadTimeout:
            # Not noticed yet: the replicas don't answer in time.
            return False

    wait_until(is_unavailable, 90)


def test_nodes_speak_under_tls(tmp_path):
    environment = dict(
        os.environ,
        THOLOS_CLUSTER=str(tmp_path / "cluster"),
        THOLOS_CLUSTER_NET="127.0.79",
        THOLOS_BINARY=BINARY,
    )

    def run(*arguments):
        command = [str(ROOT / "tools/cluster"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run("up", "2", "--tls", "--shards", "2")
        with Cluster(["127.0.79.2"]) as cluster:
            session = cluster.connect()
            session.execute(
                "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}"
            )
            session.execute("CREATE TABLE k.t (p int PRIMARY KEY, v text)")
            insert = session.prepare("INSERT INTO k.t (p, v) VALUES (?, ?)")
            insert.consistency_level = ConsistencyLevel.ALL
            for p in range(50):
                session.execute(insert, (p, "v" * 3000))
            count = SimpleStatement("SELECT count(*) FROM k.t", consistency_level=ConsistencyLevel.ALL)
            assert session.execute(count).one()[0] == 50
        # What is no TLS is answered with an alert, and no word of the cluster.
        with socket.create_connection(("127.0.79.1", 7000), timeout=5) as raw:
            raw.sendall(b"THOLOS" * 10)
            answer = raw.recv(100)
            assert not answer or answer[0] == 0x15
    finally:
        run("clean")
