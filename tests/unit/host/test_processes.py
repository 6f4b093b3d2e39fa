"""Telling a process from a later one of the same number."""

import os
from dataclasses import replace

from podup.host.processes import identify, is_alive


def test_this_process_is_itself_and_alive() -> None:
    me = identify(os.getpid())
    assert me is not None and me.pid == os.getpid()
    assert len(me.boot_id) == 36
    assert is_alive(me)


def test_a_number_that_came_again_is_somebody_else() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert not is_alive(replace(me, start_time=me.start_time + 1))
    assert not is_alive(replace(me, boot_id="another-boot"))


def test_a_number_nobody_has_is_nobody() -> None:
    assert identify(1 << 30) is None
