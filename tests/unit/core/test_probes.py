import pytest

from podup.core.probes import CommandProbe, HttpProbe, TcpProbe, parse_probe
from podup.errors import Invalid

GOOD = {
    "http://127.0.0.1:8080": HttpProbe("127.0.0.1", 8080, "/", False),
    "http://localhost/health?deep=1": HttpProbe("localhost", 80, "/health?deep=1", False),
    "https://[::1]:8443/a": HttpProbe("::1", 8443, "/a", True),
    "tcp://127.0.0.1:5432": TcpProbe("127.0.0.1", 5432),
    "command:/usr/bin/pg_isready -h 'a b'": CommandProbe(("/usr/bin/pg_isready", "-h", "a b")),
}
BAD = [
    "",
    "http",
    "http://",
    "http://:80/",
    "http://h:99999/",
    "http://h:0/",
    "http://u:p@h/",
    "http://h/ a",
    "http://h/a\r\nX: y",
    "http://h/é",
    "http://h/#f",
    "tcp://h",
    "tcp://h:1/path",
    "ftp://h:1",
    "command:",
    "command:'",
    "command:-x",
]


@pytest.mark.parametrize("spec", GOOD)
def test_reads_a_probe(spec: str) -> None:
    assert parse_probe(spec) == GOOD[spec]


@pytest.mark.parametrize("spec", BAD)
def test_refuses_what_is_no_probe(spec: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_probe(spec)
    assert refused.value.code == "bad-probe"
