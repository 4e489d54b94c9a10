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


@pytest.fixture
def port(monkeypatch):
    """Serve something whose clients must be quick, and give its port."""
    monkeypatch.setattr(connections, "HEADERS_S", 0.3)
    bound = bound_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(answering, lifespan="off", **uvicorn_settings()))
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


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": 0},
        {"workers": 100},
        {"origins": frozenset({"*"})},
        {"certificate": "nothing.pem"},
        {"certificate": __file__},
        {"port": 70000},
    ],
    ids=str,
)
def test_what_cannot_be_served_is_refused_in_a_line_or_two(served, settings):
    with pytest.raises(BadValueError) as refused:
        serve(ServerSettings(**settings), served.house.client, print)

    assert str(refused.value).count("\n") <= 1
