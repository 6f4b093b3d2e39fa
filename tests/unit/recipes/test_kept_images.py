"""The name images are kept under: valid for podman, and of one unit only."""

import pytest

from podup.core.images import parse_ref
from podup.recipes.kept_images import kept_repository

ODD = ["Web", "web-", "_web", "a..b", "web@1", "web@-", r"od\x2dd", "we:b", "a___b", "\\", "w" * 247]


def test_a_plain_name_is_kept_as_it_is() -> None:
    assert kept_repository("web-2.service") == "localhost/podup/web-2"


@pytest.mark.parametrize("name", ODD)
def test_any_unit_name_makes_an_image_name(name: str) -> None:
    kept = kept_repository(f"{name}.service")
    assert parse_ref(f"{kept}:5f2c8e1d9a40").name == kept


def test_no_two_units_share_a_name() -> None:
    units = [f"{name}.service" for name in (*ODD, "web", "web-1", "we-b", "od-x2dd", "a.b")]
    assert len({kept_repository(unit) for unit in units}) == len(units)
