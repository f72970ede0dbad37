# SPDX-License-Identifier: Apache-2.0
"""A node for the tests: one that all share, and fresh ones for tests that stop or kill it."""

import pytest

from node import Node


def pytest_configure(config):
    config.addinivalue_line("markers", "scylla: needs scylla-driver instead of cassandra-driver")


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A running node that all tests share."""
    with Node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def fresh_node(tmp_path):
    """A node of the test's own, not started yet."""
    with Node(tmp_path, started=False) as own:
        yield own


@pytest.fixture
def cluster(node):
    """The driver's view of the shared node."""
    with node.connect() as connected:
        yield connected


@pytest.fixture
def session(cluster, request):
    """A session in a keyspace of the test's own, dropped afterwards."""
    name = "k_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[:40]
    with cluster.connect() as connected:
        connected.execute(f"DROP KEYSPACE IF EXISTS {name}")
        connected.execute(
            f"CREATE KEYSPACE {name} WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        connected.set_keyspace(name)
        yield connected
        connected.execute(f"DROP KEYSPACE {name}")
