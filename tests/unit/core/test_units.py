import pytest

from podup.core.units import slug, unit_name, unit_name_or_none
from podup.errors import Invalid


@pytest.mark.parametrize(
    ("text", "name", "short"),
    [
        ("web", "web.service", "web"),
        ("web.service", "web.service", "web"),
        ("web.v2", "web.v2.service", "web.v2"),
        ("web@", "web@.service", "web@"),
        ("web@1.service", "web@1.service", "web@1"),
        ("web@a@b", "web@a@b.service", "web@a@b"),
        ("web\\x2dapi", "web\\x2dapi.service", "web\\x2dapi"),
        ("a:b_c-d", "a:b_c-d.service", "a:b_c-d"),
        ("web.service.service", "web.service.service", "web.service.service"),
        ("a.timer.service", "a.timer.service", "a.timer.service"),
        ("x" * 247, "x" * 247 + ".service", "x" * 247),
    ],
)
def test_names(text, name, short):
    assert unit_name(text) == name
    assert slug(text) == short
    assert unit_name(short) == name


@pytest.mark.parametrize(
    "text",
    ["", ".service", "-web", "--now", "@1", "@.service", ".web", "..", "../web", "a/b", "a b", "web\n",
     "web\x00", "wéb", "a*", "a?", "[a]", "$x", "a;b", "a'b", '"a"', "a%i", "a+b", "a,b", "a=b",
     "x" * 248, "\ud800",
     "web.timer", "web.target", "web.socket", "app.slice", "x.scope", "-.mount",
     "web.service ", "web.service\n"],
)  # fmt: skip
def test_refuses(text):
    with pytest.raises(Invalid) as caught:
        unit_name(text)
    assert caught.value.code == "bad-unit-name"
    assert unit_name_or_none(text) is None
