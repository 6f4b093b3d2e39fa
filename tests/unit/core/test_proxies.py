import pytest

from podup.core.proxies import Proxy, proxy_for, read_proxy
from podup.errors import Invalid

P = {"http": "http://plain:3128", "https": "http://secure:8080"}


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://p:3128", Proxy("p", 3128)),
        ("http://p:3128/", Proxy("p", 3128)),
        ("p:3128", Proxy("p", 3128)),
        ("http://p", Proxy("p", 80)),
        ("http://[::1]:1", Proxy("::1", 1)),
        ("http://u:p%40@h:1", Proxy("h", 1, "Basic dTpwQA==")),
    ],
)
def test_reads(text, proxy):
    assert read_proxy(text) == proxy


@pytest.mark.parametrize("text",
["", "http://", "socks5://p:1", "https://p:1", "http://p:x", "http://s3cret@[::1", "http://p/x"])
def test_refuses(text):
    with pytest.raises(Invalid) as caught:
        read_proxy(text)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("proxies", "scheme", "host", "name"),
    [
        (P, "http", "example.org", "plain"),
        (P, "https", "example.org", "secure"),
        ({"all": "any:1"}, "https", "example.org", "any"),
        ({}, "https", "example.org", None),
        (P, "http", "localhost", None),
        (P, "http", "127.0.0.2", None),
        (P, "http", "::1", None),
        (P | {"no": "*"}, "http", "example.org", None),
        (P | {"no": "example.org"}, "http", "example.org", None),
        (P | {"no": "example.org"}, "http", "a.EXAMPLE.org", None),
        (P | {"no": ".example.org, x"}, "http", "a.example.org", None),
        (P | {"no": "*.example.org"}, "http", "a.example.org", None),
        (P | {"no": "ample.org"}, "http", "example.org", "plain"),
        (P | {"no": "example.org:443"}, "http", "example.org", "plain"),
        (P | {"no": "example.org:80"}, "http", "example.org", None),
        (P | {"no": "10.0.0.0/8"}, "http", "10.1.2.3", None),
        (P | {"no": "10.0.0.0/8"}, "http", "11.1.2.3", "plain"),
        (P | {"no": "10.1.2.3"}, "http", "10.1.2.3", None),
        (P | {"no": "fd00::/8,[fd01::1]:80"}, "http", "fd00::1", None),
        (P | {"no": "junk/8,,::"}, "http", "10.1.2.3", "plain"),
    ],
)
def test_chooses(proxies, scheme, host, name):
    found = proxy_for(proxies, scheme, host, 80 if scheme == "http" else 443)
    assert (found.host if found else None) == name
