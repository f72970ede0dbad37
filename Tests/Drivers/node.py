# SPDX-License-Identifier: Apache-2.0
"""Starts, stops, kills and restarts `tholos serve`."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("THOLOS_BINARY", str(ROOT / ".build/debug/tholos"))


def free_ports(count):
    """Ports that nobody listens on right now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Node:
    """One `tholos serve` with its data in a temporary folder."""

    def __init__(self, folder, started=True, shards=2):
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log.txt"
        self.shards = shards
        self.port, self.shard_aware_port, self.admin_port = free_ports(3)
        self.process = None
        self.start_seconds = None
        if started:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self, settings=""):
        """Starts the node and waits until it accepts connections."""
        config = self.folder / "tholos.yaml"
        config.write_text(
            f"native_transport_port_shard_aware: {self.shard_aware_port}\n{settings}"
        )
        command = [BINARY, "serve", "--data", str(self.data), "--host", "127.0.0.1"]
        command += ["--cql-port", str(self.port), "--shards", str(self.shards)]
        command += ["--config", str(config), "--admin-port", str(self.admin_port)]
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        begin = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                break
            except OSError:
                assert self.process.poll() is None, f"the node stopped:\n{self.read_log()}"
                assert time.monotonic() - begin < 60, f"the node is silent:\n{self.read_log()}"
                time.sleep(0.005)
        self.start_seconds = time.monotonic() - begin

    def read_log(self):
        """What the node has said since its last start."""
        return self.log.read_bytes()[self.log_start :].decode(errors="replace")

    def terminate(self):
        """Asks the node to stop (SIGTERM) and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self):
        """Stops the node in the middle of whatever it does (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def is_alive(self):
        """Whether the process runs and answers a new client."""
        if self.process.poll() is not None:
            return False
        options = bytes([4, 0, 0, 1, 5, 0, 0, 0, 0])
        with self.raw() as connection:
            connection.sendall(options)
            return connection.recv(9)[:5] == bytes([0x84, 0, 0, 1, 6])

    def connect(self, **options):
        """A driver's Cluster for this node."""
        profile = ExecutionProfile(
            load_balancing_policy=options.pop("policy", None) or RoundRobinPolicy(),
            request_timeout=30,
        )
        return Cluster(
            ["127.0.0.1"],
            port=self.port,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            **options,
        )

    def raw(self):
        """A plain socket to the CQL port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)
