"""The files of the pages."""

import gzip
import zipfile

import pytest

from podup.errors import NotFound
from podup.server.request import Request
from podup.server.static import read_files, routes


@pytest.fixture
def files(tmp_path):
    web = tmp_path / "web"
    (web / "assets" / "js").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>" + "x" * 500)
    (web / "favicon.svg").write_text("<svg/>")
    (web / "assets" / "js" / "app.js").write_text("export default 1\n" * 50)
    (web / "assets" / ".secret.js").write_text("hidden")
    (web / "assets" / "notes.bak").write_text("hidden")
    (tmp_path / "outside.js").write_text("outside")
    (web / "assets" / "link.js").symlink_to(tmp_path / "outside.js")
    (web / "assets" / "loop").symlink_to(web)
    return read_files([tmp_path / "missing", web])


def get(headers: dict[str, str] | None = None) -> Request:
    return Request("GET", "/", headers=headers or {})


def test_serves_types_etags_and_gzip(files):
    plain = files.respond("assets/js/app.js", get())
    said = dict(plain.headers)
    assert said["Content-Type"] == "text/javascript; charset=utf-8"
    assert "script-src 'self'" in said["Content-Security-Policy"]
    packed = files.respond("assets/js/app.js", get({"accept-encoding": "br, gzip;q=0.5"}))
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert files.respond("assets/js/app.js", get({"accept-encoding": "gzip;q=0"})).body == plain.body
    known = files.respond("assets/js/app.js", get({"if-none-match": f'"a", W/{said["ETag"]}'}))
    assert (known.status, known.body) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "assets/.secret.js",
        "assets/notes.bak",
        "assets/link.js",
        "assets/loop/index.html",
        "../outside.js",
        "assets",
        "",
    ],
)
def test_serves_nothing_else(files, name):
    with pytest.raises(NotFound):
        files.respond(name, get())


def test_the_first_directory_with_an_index_wins_also_inside_a_zip(files, tmp_path):
    packed = tmp_path / "program.pyz"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("podup/web/index.html", "<p>in the zip</p>")
        archive.writestr("podup/web/assets/app.css", "p{}")
    inside = read_files([tmp_path / "missing", zipfile.Path(packed, "podup/web/")])
    assert b"in the zip" in inside.respond("index.html", get()).body
    assert inside.respond("assets/app.css", get()).status == 200
    assert "index.html" not in read_files([tmp_path])


def test_rows_over_the_wire(files, serve):
    wire = serve(*routes(files, ("/", "/services"))).wire()
    assert wire.get("/services").body.startswith(b"<!doctype")
    assert wire.get("/assets/js/app.js").status == 200
    assert wire.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    assert wire.get("/manual").headers["location"] == "/services"
    for path in ("/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/..%2findex.html"):
        assert serve(*routes(files, ())).wire().get(path).status == 400
    for path in ("/assets//index.html", "/assets/..%5c%5cx", "/assets/%252e%252e/index.html", "/assets/"):
        assert serve(*routes(files, ())).wire().get(path).status in (400, 404)
