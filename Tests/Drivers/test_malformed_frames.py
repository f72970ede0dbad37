# SPDX-License-Identifier: Apache-2.0
"""Bytes that no driver sends: an error or a closed connection, never a stopped node."""

import random
import struct
import zlib

import pytest

ERROR, READY, SUPPORTED = 0x00, 0x02, 0x06
STARTUP, OPTIONS, QUERY, EXECUTE, REGISTER, BATCH = 0x01, 0x05, 0x07, 0x0A, 0x0B, 0x0D
PROTOCOL_ERROR = 0x000A


def frame(opcode, body=b"", version=4, flags=0, stream=1, length=None):
    length = len(body) if length is None else length
    return struct.pack(">BBhBi", version, flags, stream, opcode, length) + body


def string(text):
    return struct.pack(">H", len(text)) + text.encode()


def long_string(text):
    return struct.pack(">i", len(text)) + text.encode()


def startup(version=4):
    body = struct.pack(">H", 1) + string("CQL_VERSION") + string("3.0.0")
    return frame(STARTUP, body, version)


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return None
        data += part
    return data


def reply(connection):
    """The opcode and body of the next unframed reply; None when the connection was closed."""
    try:
        header = receive(connection, 9)
        if header is None:
            return None
        _, _, _, opcode, length = struct.unpack(">BBhBi", header)
        return opcode, receive(connection, length)
    except ConnectionError:
        return None


def is_closed(connection):
    """Whether the node has closed its end, whatever it said before."""
    try:
        while connection.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def error(answer):
    """The code and text of an ERROR."""
    assert answer is not None and answer[0] == ERROR, answer
    code, length = struct.unpack(">iH", answer[1][:6])
    return code, answer[1][6 : 6 + length].decode()


@pytest.fixture
def ready(node):
    """A version 4 connection after STARTUP."""
    with node.raw() as connection:
        connection.sendall(startup())
        assert reply(connection)[0] == READY
        yield connection


@pytest.fixture(autouse=True)
def node_lives(node):
    yield
    assert node.is_alive()


def test_options_before_startup(node):
    with node.raw() as connection:
        connection.sendall(frame(OPTIONS))
        assert reply(connection)[0] == SUPPORTED


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff" * 64,
        b"\x00" * 64,
        b"\x84" + b"\x00" * 8,
    ],
)
def test_garbage_closes_the_connection(node, garbage):
    with node.raw() as connection:
        connection.sendall(garbage)
        assert is_closed(connection)


@pytest.mark.parametrize("version", [0, 1, 2, 6, 0x41, 0x42, 0x7F])
def test_unsupported_version_is_told(node, version):
    with node.raw() as connection:
        # Versions 1 and 2 have one byte for the stream.
        layout = ">BBbBi" if version in (1, 2) else ">BBhBi"
        connection.sendall(struct.pack(layout, version, 0, 7, OPTIONS, 0))
        header = receive(connection, 9)
        answered, _, stream, opcode, length = struct.unpack(">BBhBi", header)
        code, text = error((opcode, receive(connection, length)))
        assert answered in (0x83, 0x84, 0x85) and stream == 7
        assert code == PROTOCOL_ERROR
        assert "unsupported protocol version" in text


@pytest.mark.parametrize("length", [2**31 - 1, 257 << 20, -1, -(2**31)])
def test_length_beyond_the_limit_is_refused_before_it_is_read(ready, length):
    ready.sendall(frame(QUERY, length=length))
    code, text = error(reply(ready))
    assert code == PROTOCOL_ERROR and text
    assert is_closed(ready)


@pytest.mark.parametrize("opcode", [0x04, 0x0F + 1, 0x42, 0xFE])
def test_unknown_opcode_is_a_protocol_error(ready, opcode):
    ready.sendall(frame(opcode, b"abc"))
    assert error(reply(ready))[0] == PROTOCOL_ERROR


def test_request_before_startup_is_refused(node):
    body = long_string("SELECT * FROM system.local") + struct.pack(">HB", 1, 0)
    with node.raw() as connection:
        connection.sendall(frame(QUERY, body))
        assert error(reply(connection))[0] == PROTOCOL_ERROR


def test_second_startup_is_refused(ready):
    ready.sendall(startup())
    assert error(reply(ready))[0] == PROTOCOL_ERROR


def test_startup_with_unknown_compression_is_refused(node):
    body = struct.pack(">H", 2) + string("CQL_VERSION") + string("3.0.0")
    body += string("COMPRESSION") + string("zip")
    with node.raw() as connection:
        connection.sendall(frame(STARTUP, body))
        assert "zip" in error(reply(connection))[1]


@pytest.mark.parametrize(
    "opcode, body",
    [
        (QUERY, b""),
        (QUERY, b"\x7f\xff\xff\xff"),
        (QUERY, b"\xff\xff\xff\xff"),
        (QUERY, long_string("SELECT 1")),
        (QUERY, long_string("SELECT 1") + struct.pack(">HB", 1, 1) + b"\xff\xff"),
        (QUERY, long_string("SELECT 1") + struct.pack(">HB", 99, 0)),
        (QUERY, struct.pack(">i", 3) + b"\xff\xfe\xfd" + struct.pack(">HB", 1, 0)),
        (EXECUTE, b""),
        (EXECUTE, b"\xff\xff"),
        (EXECUTE, b"\x00\x10" + b"i" * 16 + struct.pack(">HB", 1, 1) + b"\xff\xff"),
        (BATCH, b""),
        (BATCH, b"\x09\x00\x00"),
        (BATCH, b"\x00\xff\xff"),
        (BATCH, b"\x00\x00\x01\x07"),
        (REGISTER, b"\xff\xff"),
        (REGISTER, struct.pack(">H", 1) + string("NO_SUCH_EVENT")),
    ],
)
def test_malformed_body_is_an_error(ready, opcode, body):
    ready.sendall(frame(opcode, body))
    code, text = error(reply(ready))
    assert code in (PROTOCOL_ERROR, 0x2000, 0x2200, 0x2500) and text


def test_connection_that_ends_within_a_frame_harms_nobody(node):
    whole = startup() + frame(QUERY, long_string("SELECT key FROM system.local") + b"\0\1\0")
    for length in range(1, len(whole)):
        with node.raw() as connection:
            connection.sendall(whole[:length])


def test_frame_arrives_byte_by_byte(node):
    body = long_string("SELECT key FROM system.local") + struct.pack(">HB", 1, 0)
    with node.raw() as connection:
        for byte in startup() + frame(QUERY, body):
            connection.sendall(bytes([byte]))
        assert reply(connection)[0] == READY
        opcode, rows = reply(connection)
        assert opcode == 0x08 and b"local" in rows


def crc24(data):
    """The header checksum of version 5 (native_protocol_v5.spec, section 2.1)."""
    crc = 0x875060
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1974F0B
    return crc & 0xFFFFFF


def segment(payload, header_flip=0, payload_flip=0, length=None):
    size = len(payload) if length is None else length
    header = (size | 1 << 17).to_bytes(3, "little")
    header += (crc24(header) ^ header_flip).to_bytes(3, "little")
    checksum = zlib.crc32(payload, zlib.crc32(b"\xfa\x2d\x55\xca")) ^ payload_flip
    return header + payload + struct.pack("<I", checksum)


@pytest.fixture
def framed(node):
    """A version 5 connection after STARTUP, where segments begin."""
    with node.raw() as connection:
        connection.sendall(startup(5))
        assert reply(connection)[0] == READY
        yield connection


def framed_reply(connection):
    header = receive(connection, 6)
    if header is None:
        return None
    size = int.from_bytes(header[:3], "little") & 0x1FFFF
    payload = receive(connection, size)
    receive(connection, 4)
    return payload[4], payload[9:]


def test_segments_carry_requests(framed):
    framed.sendall(segment(frame(OPTIONS, version=5)))
    assert framed_reply(framed)[0] == SUPPORTED


def test_two_requests_in_one_segment(framed):
    framed.sendall(segment(frame(OPTIONS, version=5) + frame(OPTIONS, version=5, stream=2)))
    header = receive(framed, 6)
    assert header is not None


@pytest.mark.parametrize("flips", [{"header_flip": 1}, {"payload_flip": 1}])
def test_wrong_checksum_closes_the_connection(framed, flips):
    framed.sendall(segment(frame(OPTIONS, version=5), **flips))
    assert is_closed(framed)


def test_random_bytes_in_every_state(node):
    generator = random.Random(20131101)
    for version in (4, 5):
        for _ in range(50):
            with node.raw() as connection:
                connection.sendall(startup(version))
                assert reply(connection)[0] == READY
                try:
                    connection.sendall(generator.randbytes(generator.randrange(1, 400)))
                    connection.shutdown(1)
                except ConnectionError:
                    pass


def test_mutated_requests(node):
    generator = random.Random(42)
    query = frame(
        QUERY,
        long_string("SELECT * FROM system.local WHERE key = ?")
        + struct.pack(">HBH", 1, 1, 1)
        + struct.pack(">i", 5)
        + b"local",
    )
    with_batch = frame(
        BATCH,
        b"\x00\x00\x01\x00" + long_string("INSERT INTO a.b (c) VALUES (1)") + b"\0\0\0\1\0",
    )
    for _ in range(300):
        request = bytearray(generator.choice([query, with_batch]))
        for _ in range(generator.randrange(1, 4)):
            # The length stays, so that the node decodes the body instead of waiting for more.
            request[generator.choice([*range(0, 5), *range(9, len(request))])] = (
                generator.randrange(256)
            )
        with node.raw() as connection:
            connection.sendall(startup() + bytes(request))
            assert reply(connection)[0] == READY
            try:
                connection.shutdown(1)
            except ConnectionError:
                pass
            assert is_closed(connection)
