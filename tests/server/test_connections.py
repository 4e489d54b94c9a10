"""Connections and the settings of a server: what is refused before anything listens, and who is waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.server import connections
from nbpipe.server.connections import bound_socket, uvicorn_settings
from nbpipe.server.running import check_reach, serve
from nbpipe.services.serving_settings import ServerSettings


async def answering(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def telling_headers(scope, receive, send):
    """Answer with the names of the headers, once all of the body is there."""
    while (await receive()).get("more_body"):
        pass
    names = b" ".join(sorted(name for name, _ in scope["headers"]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
    await send({"type": "http.response.body", "body": names})


async def dawdling(scope, receive, send):
    await asyncio.sleep(2)
    await answering(scope, receive, send)


async def streaming(scope, receive, send):
    """Answer with a megabyte, in pieces that come one right after the other."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1024):
        await send({"type": "http.response.body", "body": b"x" * 1024, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def application():
    return answering


@pytest.fixture
def port(monkeypatch, application):
    """Serve something whose clients must be quick, and give its port."""
    monkeypatch.setattr(connections, "HEADERS_S", 0.3)
    bound = bound_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", **uvicorn_settings()))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield bound.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=20)
    bound.close()


def answer(connection: socket.socket) -> bytes:
    """Read until the server lets go."""
    connection.settimeout(20)
    found = b""
    while data := connection.recv(4096):
        found += data
    return found


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: 127", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_client_that_says_nothing_or_says_it_too_slowly_is_let_go(port, said):
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(said)

        assert answer(silent) == b""


def test_a_client_that_keeps_its_connection_and_then_dawdles_is_let_go_too(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.settimeout(20)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET / HT")

        assert b"200" not in answer(client)


def test_a_head_that_is_too_long_is_refused_and_the_server_goes_on(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000)
        with pytest.raises((ConnectionError, AssertionError)):
            assert b"200 OK" in answer(client)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer(client).startswith(b"HTTP/1.1 200")


def test_requests_that_are_sent_all_at_once_are_answered_one_after_the_other(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 4 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")

        assert answer(client).count(b"200 OK") == 5


@pytest.mark.parametrize("application", [telling_headers], ids=["telling"])
def test_what_stands_behind_a_body_is_no_header(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nX-Extra: 1\r\n\r\n")

        assert answer(client).endswith(b"\r\n\r\nconnection host transfer-encoding")


@pytest.mark.parametrize("application", [telling_headers, dawdling], ids=["telling", "dawdling"])
@pytest.mark.parametrize(
    "first",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX: ",
    ],
    ids=["trailer", "extension", "next-head"],
)
def test_nobody_goes_on_for_ever_with_what_is_no_body(port, first):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(20)
        with pytest.raises(ConnectionError):
            client.sendall(first)
            for _ in range(2000):
                client.sendall(b"a" * 8192)
                time.sleep(0.002)


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
    ids=["two-lengths", "length-and-pieces", "blank", "nul", "bare-line-breaks", "method", "version"],
)
def test_a_request_that_two_programs_would_read_differently_is_refused(port, head):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head)

        assert b"200 OK" not in answer(client)


@pytest.mark.parametrize("application", [streaming], ids=["streaming"])
def test_an_answer_that_comes_in_pieces_comes_whole(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

        assert answer(client).count(b"x") == 1024 * 1024


@pytest.mark.parametrize("number", [-1, 65536, 1.5, True, "80"])
def test_a_port_that_is_none_is_refused(number):
    with pytest.raises(BadValueError, match="is no port"):
        bound_socket("127.0.0.1", number)


@pytest.mark.parametrize("host", ["nowhere.invalid", "198.51.100.7", "a b", "x" * 300])
def test_an_address_that_is_not_this_machines_is_refused(host):
    with pytest.raises(BadValueError, match="is no address of this machine"):
        bound_socket(host, 0)


def test_a_port_that_is_in_use_is_told():
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()

        with pytest.raises(ConflictError, match="is in use"):
            bound_socket("127.0.0.1", taken.getsockname()[1])


def test_beyond_this_machine_a_token_is_needed_first():
    for host in ("127.0.0.1", "localhost", "::1"):
        check_reach(ServerSettings(host=host), has_token=False)
    check_reach(ServerSettings(host="0.0.0.0"), has_token=True)
    for host in ("0.0.0.0", "::", "192.168.1.2"):
        with pytest.raises(BadValueError, match="there is no token"):
            check_reach(ServerSettings(host=host), has_token=False)


NOT_SERVED = [
    {"workers": 0},
    {"workers": 100},
    {"origins": frozenset({"*"})},
    {"certificate": "nothing.pem"},
    {"certificate": __file__},
    {"port": 70000},
]


def test_what_cannot_be_served_is_refused_in_a_line_or_two(served):
    for settings in NOT_SERVED:
        with pytest.raises(BadValueError) as refused:
            serve(ServerSettings(**settings), served.house.client, print)
            pytest.fail(f"{settings} was served")

        assert str(refused.value).count("\n") <= 1, settings
