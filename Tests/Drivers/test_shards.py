# SPDX-License-Identifier: Apache-2.0
"""scylla-driver, which knows of shards: a connection to each, and requests to the right one."""

import time

import pytest
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy

from node import Node

pytestmark = pytest.mark.scylla

SHARDS = 3


@pytest.fixture(scope="module")
def sharded_node(tmp_path_factory):
    with Node(tmp_path_factory.mktemp("sharded"), shards=SHARDS) as running:
        yield running


@pytest.fixture
def sharded(sharded_node):
    with sharded_node.connect(policy=TokenAwarePolicy(RoundRobinPolicy())) as cluster:
        yield cluster


def pool(session):
    (only,) = session._pools.values()
    return only


def wait_for_shards(session):
    deadline = time.monotonic() + 20
    while len(pool(session)._connections) < SHARDS:
        assert time.monotonic() < deadline, f"connected to {sorted(pool(session)._connections)}"
        time.sleep(0.05)


def test_one_connection_a_shard(sharded):
    with sharded.connect() as session:
        assert sharded.is_shard_aware()
        wait_for_shards(session)
        assert sorted(pool(session)._connections) == list(range(SHARDS))
        stats = sharded.shard_aware_stats()
        assert [each["shards_count"] for each in stats.values()] == [SHARDS]
        assert [each["connected"] for each in stats.values()] == [SHARDS]


def test_sharding_information(sharded):
    with sharded.connect() as session:
        info = pool(session).host.sharding_info
        assert info.shards_count == SHARDS
        assert info.partitioner == "org.apache.cassandra.dht.Murmur3Partitioner"
        assert info.sharding_algorithm == "biased-token-round-robin"


def test_work_through_all_shards(sharded, sharded_node):
    with sharded.connect() as session:
        wait_for_shards(session)
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS sharded WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS sharded.t (k int PRIMARY KEY, v int)")
        insert = session.prepare("INSERT INTO sharded.t (k, v) VALUES (?, ?)")
        rows = [(k, k * k % 1000) for k in range(2000)]
        results = execute_concurrent_with_args(session, insert, rows, concurrency=200)
        assert all(success for success, _ in results)
        info = pool(session).host.sharding_info
        used = {
            info.shard_id_from_token(sharded.metadata.token_map.token_class.from_key(key).value)
            for key in (k.to_bytes(4, "big") for k in range(2000))
        }
        assert used == set(range(SHARDS))
        select = session.prepare("SELECT v FROM sharded.t WHERE k = ?")
        keys = [(k,) for k in range(2000)]
        found = execute_concurrent_with_args(session, select, keys, concurrency=200)
        assert [result.one().v for _, result in found] == [v for _, v in rows]


def test_schema_is_discovered(sharded):
    with sharded.connect() as session:
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS sharded WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS sharded.u (p int, c int, PRIMARY KEY (p, c))")
        table = sharded.metadata.keyspaces["sharded"].tables["u"]
        assert [column.name for column in table.primary_key] == ["p", "c"]
        session.execute("DROP TABLE sharded.u")
        assert "u" not in sharded.metadata.keyspaces["sharded"].tables


def test_compression_is_negotiated(sharded_node):
    with sharded_node.connect(compression="lz4") as cluster, cluster.connect() as session:
        assert session.execute("SELECT key FROM system.local").one().key == "local"
