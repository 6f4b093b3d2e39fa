"""Sockets of every origin: TCP, inherited, our control socket, and one on standard input and output."""

import dataclasses
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from serving import QUICK

from podup.clock import SystemClock
from podup.errors import Busy, Invalid
from podup.server.listeners import accepted, inherit, listen_control, listen_tcp, split_address
from podup.server.response import answer
from podup.server.router import Route, Who
from podup.server.server import Server, serve_one

WHO = Route("GET", "/who", "Says who asks.", Who.ADMIN, handler=lambda request: answer(request.principal.how))
REQUEST = b"GET /who HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good-token\r\n\r\n"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0:25111", ("0.0.0.0", 25111)),
        (":80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(address, expected):
    assert split_address(address) == expected


@pytest.mark.parametrize("address", ["", "80", "a:", "a:b", "a:65536", "a:-1", "a:٣", "[::1", "::1:80"])
def test_bad_addresses_are_refused(address):
    with pytest.raises(Invalid):
        split_address(address)


def test_an_address_in_use_says_so():
    first = listen_tcp("127.0.0.1:0")
    with pytest.raises(Busy) as caught:
        listen_tcp(f"127.0.0.1:{first.sock.getsockname()[1]}")
    assert caught.value.code == "address-in-use"
    assert caught.value.message.endswith(": Address already in use")
    first.sock.close()


def test_a_listener_tells_where_it_really_listens(tmp_path):
    loopback = listen_tcp("127.0.0.1:0")
    assert split_address(loopback.address) == ("127.0.0.1", loopback.sock.getsockname()[1])
    loopback.sock.close()
    local = listen_control(tmp_path / "s")
    assert local.address == str(tmp_path / "s")
    local.sock.close()


def test_what_is_accepted_sends_without_delay():
    listener = listen_tcp("127.0.0.1:0")
    with socket.create_connection(listener.sock.getsockname()), listener.sock.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listener.sock.close()


def run(server: Server) -> threading.Thread:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return thread


def stop(server: Server, thread: threading.Thread) -> None:
    server.stop()
    thread.join(30)
    assert not thread.is_alive(), "the server was told to stop"
    server.server_close()


def test_the_control_socket_is_ours_alone_and_its_user_is_the_administrator(serve, tmp_path: Path):
    path = tmp_path / "control.sock"
    path.touch()  # left by a process that died
    site = serve(WHO).site
    server = Server(site, [listen_control(path)], SystemClock(), limits=QUICK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    thread = run(server)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).endswith(b'"control"\n')
    stop(server, thread)


def test_a_control_path_too_long_for_the_kernel_is_refused(tmp_path: Path):
    with pytest.raises(Invalid) as caught:
        listen_control(tmp_path / ("x" * 108))
    assert caught.value.code == "socket-path-too-long"


def test_an_inherited_socket_serves_and_stays_open(serve, tmp_path: Path):
    passed = socket.create_server(("127.0.0.1", 0))
    number = os.dup(passed.fileno())
    listeners = inherit(1, first=number)
    server = Server(serve(WHO).site, listeners, SystemClock(), limits=QUICK)
    thread = run(server)
    with socket.create_connection(passed.getsockname()) as client:
        client.sendall(REQUEST)
        assert client.recv(4096).endswith(b'"token"\n')
    stop(server, thread)
    with socket.create_connection(passed.getsockname()):
        assert listeners[0].sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    listeners[0].sock.close()
    passed.close()


def test_what_is_inherited_has_to_listen(tmp_path: Path):
    ours, theirs = socket.socketpair()
    with pytest.raises(Invalid):
        inherit(1, first=os.dup(theirs.fileno()))
    for sock in (ours, theirs):
        sock.close()
    number = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Invalid):
        inherit(1, first=number)
    os.close(number)


def test_an_inherited_unix_socket_is_not_the_control_socket(serve, tmp_path: Path):
    passed = socket.socket(socket.AF_UNIX)
    passed.bind(str(tmp_path / "public.sock"))
    passed.listen()
    listeners = inherit(1, first=os.dup(passed.fileno()))
    server = Server(serve(WHO).site, listeners, SystemClock(), limits=QUICK)
    thread = run(server)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "public.sock"))
        client.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 401")
    stop(server, thread)
    passed.close()


def test_one_connection_on_an_accepted_socket(serve):
    ours, theirs = socket.socketpair()
    ours.sendall(REQUEST + REQUEST)
    ours.shutdown(socket.SHUT_WR)
    serve_one(serve(WHO).site, SystemClock(), stdin=theirs.fileno(), stdout=theirs.fileno())
    theirs.close()
    received = b""
    while data := ours.recv(65536):
        received += data
    assert received.count(b'"token"\n') == 2
    ours.close()


def test_one_connection_whose_request_is_answered_by_the_loop_does_not_wait(serve):
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    ours.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good-token\r\n\r\n")
    ours.shutdown(socket.SHUT_WR)
    clock, in_loop = SystemClock(), dataclasses.replace(WHO, in_loop=True)
    began_s = clock.monotonic()
    serve_one(serve(in_loop).site, clock, stdin=theirs.fileno(), stdout=theirs.fileno())
    assert clock.monotonic() - began_s < 3  # a head has ten seconds, and the loop slept through them
    assert ours.recv(65536).startswith(b"HTTP/1.1 200")
    for sock in (ours, theirs):
        sock.close()


def test_whoever_is_answered_on_a_socket_hears_its_end_although_it_stays_open(serve):
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    ours.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    serve_one(serve(WHO).site, SystemClock(), stdin=theirs.fileno(), stdout=theirs.fileno())
    while ours.recv(65536):
        pass
    for sock in (ours, theirs):
        sock.close()


def test_an_accepted_connection_is_told_from_a_listening_socket():
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    connection, _ = listening.accept()
    assert accepted(connection.fileno())
    assert not accepted(listening.fileno())
    reading, writing = os.pipe()
    assert not accepted(reading)
    for number in (reading, writing):
        os.close(number)
    for sock in (client, connection, listening):
        sock.close()


def test_one_connection_on_a_pair_of_pipes(serve):
    to_us, to_them = os.pipe(), os.pipe()
    os.write(to_us[1], REQUEST)
    os.close(to_us[1])
    serve_one(serve(WHO).site, SystemClock(), stdin=to_us[0], stdout=to_them[1])
    assert os.read(to_them[0], 65536).endswith(b'"token"\n')
    for number in (to_us[0], *to_them):
        os.close(number)


def test_one_connection_whose_reader_has_gone_just_ends(serve):
    to_us, to_them = os.pipe(), os.pipe()
    os.close(to_them[0])
    os.write(to_us[1], REQUEST)
    serve_one(serve(WHO).site, SystemClock(), stdin=to_us[0], stdout=to_them[1], limits=QUICK)
    for number in (*to_us, to_them[1]):
        os.close(number)
