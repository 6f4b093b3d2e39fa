"""Modules that are loaded when they are first used."""

import json
import sys
import threading

import pytest

from podup import late as lateness
from podup.late import late, load_ours


def test_a_module_is_loaded_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    colorsys = late("colorsys")
    assert "colorsys" not in sys.modules
    assert colorsys.rgb_to_hls(0.0, 0.0, 0.0) == (0.0, 0.0, 0.0)
    assert "colorsys" in sys.modules


def test_what_it_has_is_the_modules_own_for_every_thread() -> None:
    found: list[object] = []
    stand_in = late("json")
    threads = [threading.Thread(target=lambda: found.append(stand_in.loads), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert found == [json.loads] * 4


def test_what_a_module_does_not_have_is_told() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = late("json").no_such_name


def test_a_process_that_lives_long_loads_the_programs_own_and_what_they_declare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lateness, "_OURS", [])
    monkeypatch.delitem(sys.modules, "podup.app.updates", raising=False)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    late("podup.app.updates")
    late("colorsys")
    load_ours()
    assert {"podup.app.updates", "podup.update.launch"} <= sys.modules.keys()
    assert "colorsys" not in sys.modules, "the standard library stays where it is"
    assert lateness._OURS == []
