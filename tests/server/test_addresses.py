"""Where a request comes from and whom it means."""

from __future__ import annotations

import pytest

from nbpipe.errors import BadValueError
from nbpipe.server.addresses import check_origins, host_name, is_loopback, names_of, same_origin


def test_a_server_goes_by_what_it_is_bound_to_and_by_loopback():
    assert names_of("192.168.3.4", ["Proxy.example.org"]) >= {"192.168.3.4", "proxy.example.org", "localhost", "::1"}


def test_bound_to_everything_it_goes_by_the_machine_and_never_by_everything():
    assert "0.0.0.0" not in names_of("0.0.0.0")
    assert "::" not in names_of("::")
    assert names_of("0.0.0.0") > names_of("127.0.0.1")


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("", False),
        ("127.0.0.1.evil", False),
        ("10.0.0.1", False),
    ],
)
def test_only_this_machine_reaches_loopback(host, is_one):
    assert is_loopback(host) is is_one


def test_a_host_is_read_without_its_port():
    assert [host_name(text) for text in ("A.b:1", "[::1]:2", "x y", "")] == ["a.b", "::1", None, None]


def test_the_usual_port_may_be_left_out_of_an_origin():
    assert same_origin("http://a.b", "http", "a.b:80")
    assert same_origin("http://[::1]", "http", "[::1]:80")
    assert not same_origin("https://a.b", "http", "a.b")


@pytest.mark.parametrize("origin", ["*", "null", "example.org", "https://a.b/path", "https://a b", ""])
def test_a_site_that_may_call_is_named_as_an_origin(origin):
    with pytest.raises(BadValueError, match="is no origin"):
        check_origins([origin])
