import json

import pytest

from podup.core.json_body import integer_at, list_at, object_at, read_json, read_object, text_at
from podup.errors import Invalid


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, true, null, "x"]} ', {"a": [1, 2.5, True, None, "x"]}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\u0000"', "\0"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"[[[["', "[[[["),
        (b"[" * 64 + b"]" * 64, None),
        (b'"' + b"[" * 1000 + b'"', "[" * 1000),
    ],
)
def test_reads(data, value):
    assert value is None or read_json(data) == value
    read_json(data)


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b"{}}", b"{}{}", b"{'a':1}", b'{"a":1,}', b"[1,]", b"NaN", b"[Infinity]",
     b"[-Infinity]", b"1e999",
     b"[-1e999]", b"01", b"+1", b".5", b"0x1", b"tru", b"\xff", b'"\xed\xa0\x80"', b'"\n"', b"\xef\xbb\xbf{}",
     '{"a":1}'.encode("utf-16"), b"{}\x00", b'"\\ud800"', b'{"\\uDC00": 1}', b'[[{"a": ["\\ud83dx"]}]]',
     b"[" * 65 + b"]" * 65,
     b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"1" * 5000,
     b'"\\x"', b"// x\n1"],
)  # fmt: skip
def test_refuses(data):
    with pytest.raises(Invalid) as caught:
        read_json(data)
    assert caught.value.code == "bad-json"
    assert len(caught.value.message) < 250
    json.dumps(caught.value.message).encode("utf-8")


def test_depth_is_counted_in_the_value_not_in_its_text():
    wide = b"[" + b",".join([b"{}"] * 500) + b"]"
    assert len(read_json(wide)) == 500
    with pytest.raises(Invalid):
        read_json(b"[[[1]]]", max_depth=2)
    read_json(b"[[1]]", max_depth=2)


def test_objects_only():
    assert read_object(b'{"a": 1}') == {"a": 1}
    for data in (b"[]", b"1", b"null", b'"x"'):
        with pytest.raises(Invalid):
            read_object(data)


READERS = {object_at: {}, list_at: [], text_at: "", integer_at: 0}


@pytest.mark.parametrize("reader", READERS)
def test_members_by_type(reader):
    empty = READERS[reader]
    assert reader({}, "k") == empty and reader({"k": None}, "k") == empty
    for value in ({"x": 1}, ["x"], "x", 5):
        if type(value) is type(empty):
            assert reader({"k": value}, "k") == value
        else:
            with pytest.raises(Invalid):
                reader({"k": value}, "k")
    for value in (True, 1.5):
        with pytest.raises(Invalid):
            reader({"k": value}, "k")
