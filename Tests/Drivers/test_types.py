# SPDX-License-Identifier: Apache-2.0
"""Every CQL type goes in and comes out as the driver's value, bound and as a literal."""

import datetime
import ipaddress
import math
import uuid
from decimal import Decimal

import pytest
from cassandra.util import Date, Duration, OrderedMapSerializedKey, SortedSet, Time

TIMEUUID = uuid.UUID("d2177dd0-eaa2-11de-a572-001b779c76e3")
UUID4 = uuid.UUID("01234567-89ab-4cde-8f01-23456789abcd")

# Type, value that is bound and read, the same as a literal.
SCALARS = [
    ("ascii", "plain 'text'", "'plain ''text'''"),
    ("bigint", -(2**63), str(-(2**63))),
    ("bigint", 2**63 - 1, str(2**63 - 1)),
    ("blob", b"\x00\xff\x10", "0x00ff10"),
    ("blob", b"", "0x"),
    ("boolean", True, "true"),
    ("boolean", False, "FALSE"),
    ("date", Date(datetime.date(2013, 1, 31)), "'2013-01-31'"),
    ("date", Date(datetime.date(1969, 12, 31)), "'1969-12-31'"),
    ("decimal", Decimal("-123456789012345678901234567890.000123"), None),
    ("decimal", Decimal("1E+10"), "1E+10"),
    ("double", 1.7976931348623157e308, "1.7976931348623157E308"),
    ("double", -0.1, "-0.1"),
    ("duration", Duration(14, 3, 5_000_000_000), "1y2mo3d5s"),
    ("duration", Duration(-1, -2, -3), "-1mo2d3ns"),
    ("float", 0.5, "0.5"),
    ("inet", "127.0.0.1", "'127.0.0.1'"),
    ("inet", "2001:db8::ff00:42:8329", "'2001:db8::ff00:42:8329'"),
    ("int", -(2**31), str(-(2**31))),
    ("int", 2**31 - 1, str(2**31 - 1)),
    ("smallint", -32768, "-32768"),
    ("text", "θόλος 🏛", "'θόλος 🏛'"),
    ("text", "", "''"),
    ("text", "a dollar's worth", "$$a dollar's worth$$"),
    ("time", Time(86_399_999_999_999), "'23:59:59.999999999'"),
    ("timestamp", datetime.datetime(2013, 1, 1, 10, 0, 0, 123000), "'2013-01-01T10:00:00.123Z'"),
    ("timestamp", datetime.datetime(1969, 12, 31, 23, 59, 59), "-1000"),
    ("timeuuid", TIMEUUID, str(TIMEUUID)),
    ("tinyint", -128, "-128"),
    ("uuid", UUID4, str(UUID4)),
    ("varchar", "v", "'v'"),
    ("varint", -(2**200), str(-(2**200))),
    ("varint", 0, "0"),
    ("varint", 255, "255"),
]

COLLECTIONS = [
    ("list<int>", [3, 1, 3], "[3, 1, 3]"),
    ("set<text>", {"b", "a"}, "{'b', 'a'}"),
    ("map<text, int>", {"b": 2, "a": 1}, "{'b': 2, 'a': 1}"),
    ("frozen<list<int>>", [3, 1, 3], "[3, 1, 3]"),
    ("frozen<set<int>>", {2, 1}, "{2, 1}"),
    ("frozen<map<int, text>>", {2: "b", 1: "a"}, "{2: 'b', 1: 'a'}"),
    ("list<frozen<list<int>>>", [[1, 2], []], "[[1, 2], []]"),
    ("map<uuid, frozen<set<text>>>", {UUID4: {"x"}}, f"{{{UUID4}: {{'x'}}}}"),
]


def same(found, expected):
    if isinstance(expected, str) and isinstance(found, (ipaddress.IPv4Address, str)):
        return str(found) == expected
    if isinstance(found, SortedSet):
        return set(found) == expected
    if isinstance(found, OrderedMapSerializedKey):
        return len(found) == len(expected) and all(
            same(found[key], value) for key, value in expected.items()
        )
    return found == expected and type(found) is type(expected)


@pytest.fixture(scope="module")
def module_session(node):
    with node.connect() as cluster, cluster.connect() as session:
        session.execute(
            "CREATE KEYSPACE types WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.set_keyspace("types")
        yield session
        session.execute("DROP KEYSPACE types")


@pytest.mark.parametrize("type_name, value, literal", SCALARS + COLLECTIONS)
def test_value_goes_in_and_out(module_session, type_name, value, literal):
    session = module_session
    session.execute("DROP TABLE IF EXISTS t")
    session.execute(f"CREATE TABLE t (k int PRIMARY KEY, v {type_name})")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    session.execute(insert, (1, value))
    if literal is not None:
        session.execute(f"INSERT INTO t (k, v) VALUES (2, {literal})")
    session.execute(insert, (3, None))
    found = {row.k: row.v for row in session.execute("SELECT k, v FROM t")}
    assert same(found[1], value)
    if literal is not None:
        assert same(found[2], value)
    assert found[3] is None


@pytest.mark.parametrize(
    "type_name, value, literal",
    [row for row in SCALARS if row[0] not in ("duration",) and row[1] not in ("", b"")],
)
def test_value_is_a_key(module_session, type_name, value, literal):
    session = module_session
    session.execute("DROP TABLE IF EXISTS t")
    session.execute(f"CREATE TABLE t (p {type_name}, c {type_name}, v int, PRIMARY KEY (p, c))")
    session.execute(
        session.prepare("INSERT INTO t (p, c, v) VALUES (?, ?, 7)"), (value, value)
    )
    select = session.prepare("SELECT p, c, v FROM t WHERE p = ? AND c = ?")
    row = session.execute(select, (value, value)).one()
    assert row is not None
    assert same(row.p, value) and same(row.c, value) and row.v == 7
    if literal is not None:
        assert session.execute(f"SELECT v FROM t WHERE p = {literal}").one().v == 7


def test_special_numbers(module_session):
    session = module_session
    session.execute("DROP TABLE IF EXISTS t")
    session.execute("CREATE TABLE t (k int PRIMARY KEY, f float, d double)")
    session.execute("INSERT INTO t (k, f, d) VALUES (1, NaN, -Infinity)")
    row = session.execute("SELECT f, d FROM t").one()
    assert math.isnan(row.f) and row.d == -math.inf


def test_collections_change_in_place(module_session):
    session = module_session
    session.execute("DROP TABLE IF EXISTS t")
    session.execute(
        "CREATE TABLE t (k int PRIMARY KEY, l list<int>, s set<text>, m map<text, int>)"
    )
    session.execute("INSERT INTO t (k, l, s, m) VALUES (1, [2], {'b'}, {'b': 2})")
    session.execute("UPDATE t SET l = l + [3], s = s + {'c'}, m = m + {'c': 3} WHERE k = 1")
    session.execute("UPDATE t SET l = [1] + l, m['a'] = 1 WHERE k = 1")
    row = session.execute("SELECT l, s, m FROM t WHERE k = 1").one()
    assert row.l == [1, 2, 3]
    assert set(row.s) == {"b", "c"}
    assert dict(row.m) == {"a": 1, "b": 2, "c": 3}
    session.execute("UPDATE t SET l = l - [2], s = s - {'b'}, m = m - {'b'} WHERE k = 1")
    session.execute("DELETE m['a'] FROM t WHERE k = 1")
    session.execute("UPDATE t SET l[0] = 9 WHERE k = 1")
    row = session.execute("SELECT l, s, m FROM t WHERE k = 1").one()
    assert row.l == [9, 3]
    assert set(row.s) == {"c"}
    assert dict(row.m) == {"c": 3}
    session.execute("UPDATE t SET l = [], s = {}, m = {} WHERE k = 1")
    row = session.execute("SELECT l, s, m FROM t WHERE k = 1").one()
    assert (row.l, row.s, row.m) == (None, None, None)
