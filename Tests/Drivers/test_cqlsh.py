# SPDX-License-Identifier: Apache-2.0
"""The cqlsh of PyPI as a person or a script would run it."""

import pathlib
import subprocess
import sys

import pytest

CQLSH = pathlib.Path(sys.executable).parent / "cqlsh"


@pytest.fixture
def cqlsh(node, tmp_path):
    def run(statements, *arguments, succeeds=True):
        command = [str(CQLSH), "--no-color", "127.0.0.1", str(node.port), *arguments]
        if statements is not None:
            command += ["-e", statements]
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path
        )
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout if succeeds else done.stdout + done.stderr

    return run


@pytest.fixture
def keyspace(cqlsh):
    cqlsh(
        "CREATE KEYSPACE shell WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1};"
        "CREATE TABLE shell.t (p text, c int, v double, s set<int>, PRIMARY KEY (p, c));"
        "INSERT INTO shell.t (p, c, v, s) VALUES ('a', 1, 1.5, {3, 1});"
        "INSERT INTO shell.t (p, c, v) VALUES ('a', 2, null);"
        "INSERT INTO shell.t (p, c, v) VALUES ('θ', 1, -2);"
    )
    yield "shell"
    cqlsh("DROP KEYSPACE shell")


def test_select_prints_a_table(cqlsh, keyspace):
    text = cqlsh("SELECT * FROM shell.t WHERE p = 'a'")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert [cell.strip() for cell in lines[0].split("|")] == ["p", "c", "s", "v"]
    assert [cell.strip() for cell in lines[2].split("|")] == ["a", "1", "{1, 3}", "1.5"]
    assert [cell.strip() for cell in lines[3].split("|")] == ["a", "2", "null", "null"]
    assert lines[-1] == "(2 rows)"


def test_describe(cqlsh, keyspace):
    assert "shell" in cqlsh("DESCRIBE KEYSPACES").split()
    assert cqlsh("DESCRIBE TABLES", "-k", "shell").split() == ["t"]
    text = cqlsh("DESCRIBE TABLE shell.t")
    assert "CREATE TABLE shell.t (" in text and "PRIMARY KEY (p, c)" in text
    text = cqlsh("DESCRIBE KEYSPACE shell")
    assert "CREATE KEYSPACE shell" in text and "CREATE TABLE shell.t" in text
    assert "CREATE KEYSPACE shell" in cqlsh("DESCRIBE SCHEMA")
    assert "Murmur3Partitioner" in cqlsh("DESCRIBE CLUSTER")


def test_described_schema_can_be_sourced(cqlsh, keyspace, tmp_path):
    script = tmp_path / "schema.cql"
    script.write_text(cqlsh("DESCRIBE KEYSPACE shell").replace("shell", "shell_again"))
    cqlsh(None, "-f", str(script))
    again = cqlsh("DESCRIBE KEYSPACE shell_again").replace("shell_again", "shell")
    assert again == cqlsh("DESCRIBE KEYSPACE shell")
    cqlsh("DROP KEYSPACE shell_again")


def test_copy_to_and_from(cqlsh, keyspace, tmp_path):
    file = tmp_path / "t.csv"
    cqlsh(f"COPY shell.t (p, c, v, s) TO '{file}' WITH HEADER = TRUE")
    lines = file.read_text().splitlines()
    assert lines[0] == "p,c,v,s"
    assert sorted(lines[1:])[0].startswith("a,1,1.5,") and len(lines) == 4
    cqlsh("TRUNCATE shell.t")
    cqlsh(f"COPY shell.t (p, c, v, s) FROM '{file}' WITH HEADER = TRUE")
    assert "(3 rows)" in cqlsh("SELECT * FROM shell.t")


def test_failure_has_an_exit_code(cqlsh, keyspace, tmp_path):
    assert "nowhere" in cqlsh("SELECT * FROM shell.nowhere", succeeds=False)
    assert "SyntaxException" in cqlsh("SELEC 1", succeeds=False)
    script = tmp_path / "wrong.cql"
    script.write_text("SELECT * FROM shell.t;\nSELECT * FROM shell.nowhere;\n")
    assert "nowhere" in cqlsh(None, "-f", str(script), succeeds=False)


def test_its_own_commands(cqlsh, keyspace):
    assert "Connected to Tholos" in cqlsh("SHOW HOST")
    assert "CQL spec" in cqlsh("SHOW VERSION")
    assert "(1 rows)" in cqlsh("USE shell; CONSISTENCY QUORUM; SELECT * FROM t LIMIT 1")
    assert "@ Row 1" in cqlsh("EXPAND ON; SELECT * FROM shell.t LIMIT 1")
    assert "(3 rows)" in cqlsh("PAGING 1; SELECT * FROM shell.t")


@pytest.mark.parametrize("version", ["4", "5"])
def test_protocol_version_can_be_chosen(cqlsh, version):
    assert "local" in cqlsh("SELECT key FROM system.local", "--protocol-version", version)
