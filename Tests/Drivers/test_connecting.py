# SPDX-License-Identifier: Apache-2.0
"""Protocol versions, compression and start-up with cassandra-driver."""

import pytest
from cassandra.cluster import NoHostAvailable

TEXT = "columns of the tholos " * 20_000


def test_driver_settles_on_version_5(cluster):
    with cluster.connect():
        assert cluster.protocol_version == 5


@pytest.mark.parametrize(
    "version, compression",
    [(4, False), (4, "lz4"), (4, "snappy"), (5, False), (5, "lz4")],
)
def test_large_values_survive_version_and_compression(node, version, compression):
    keyspace = f"compression_{version}_{compression or 'none'}"
    with node.connect(protocol_version=version, compression=compression) as cluster:
        with cluster.connect() as session:
            assert cluster.protocol_version == version
            if compression:
                assert cluster.control_connection._connection.compressor is not None
            session.execute(
                f"CREATE KEYSPACE {keyspace} WITH replication = "
                "{'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            session.execute(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v text, b blob)")
            noise = bytes((i * 2654435761 >> 13) & 0xFF for i in range(300_000))
            insert = session.prepare(f"INSERT INTO {keyspace}.t (k, v, b) VALUES (?, ?, ?)")
            session.execute(insert, (1, TEXT, noise))
            session.execute(insert, (2, "", b""))
            rows = {row.k: row for row in session.execute(f"SELECT * FROM {keyspace}.t")}
            assert rows[1].v == TEXT and rows[1].b == noise
            assert rows[2].v == "" and rows[2].b == b""
            session.execute(f"DROP KEYSPACE {keyspace}")


def test_version_that_is_not_there_is_refused(node):
    with pytest.raises(NoHostAvailable, match="protocol_version 6"):
        with node.connect(protocol_version=6) as cluster:
            cluster.connect()


def test_node_describes_itself(cluster):
    with cluster.connect() as session:
        row = session.execute("SELECT * FROM system.local WHERE key='local'").one()
        assert row.cluster_name == "Tholos"
        assert row.partitioner.endswith("Murmur3Partitioner")
        assert row.release_version.split(".")[0] in ("4", "5")
        assert row.data_center and row.rack and row.host_id and row.schema_version
        assert len(row.tokens) > 0
        assert list(session.execute("SELECT * FROM system.peers_v2")) == []
        assert list(session.execute("SELECT * FROM system.peers")) == []
    hosts = cluster.metadata.all_hosts()
    assert len(hosts) == 1 and hosts[0].is_up
    assert cluster.metadata.token_map is not None


def test_start_is_quick(fresh_node):
    fresh_node.start()
    # The aim is 0.3 s; a loaded machine gets more.
    assert fresh_node.start_seconds < 2


def test_keyspace_of_the_connection_is_used(cluster, session):
    session.execute("CREATE TABLE t (k int PRIMARY KEY)")
    session.execute("INSERT INTO t (k) VALUES (1)")
    with cluster.connect(session.keyspace) as other:
        assert other.execute("SELECT k FROM t").one().k == 1


def test_warnings_and_tracing_reach_the_driver_without_harm(session):
    result = session.execute("SELECT key FROM system.local", trace=True)
    assert result.one().key == "local"


