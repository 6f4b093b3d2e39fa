"""Makes what stands beside this file importable in every test: `from serving import Wire`.

`--share 1/3` runs the first of three shares of the tests, for labs that work side by side. `--full` runs
every case of the sweeps of faults, of which the daily run takes a sample: `scripts/test faults -- --full`.
"""

import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every case of the sweeps of faults")
    parser.addoption("--share", default="1/1", help="which share of the tests to run, NUMBER/SHARES")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    number, shares = map(int, config.getoption("--share").split("/"))
    mine: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        # by name, not by place: the variants of one test take turns and would all go to the same share
        is_mine = zlib.crc32(item.nodeid.encode()) % shares == number - 1
        (mine if is_mine else others).append(item)
    items[:] = mine
    config.hook.pytest_deselected(items=others)
