"""Makes what stands beside this file importable in every test (`from serving import Wire`), and bounds them.

No test and no end of a run hangs: a test that is not done within `--longest` seconds fails where it waits
(the stacks of all threads were printed before, see faulthandler_timeout in pyproject.toml), and threads left
over are named and ended. `--share 1/3` runs the first of three shares of the tests, for runs side by side,
and tells what each file took. `--full` runs every case of the sweeps of faults, of which the daily run
takes a sample.
"""

import faulthandler
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from shares import UNKNOWN_S, shared_out

SECONDS = Path(__file__).with_name("seconds.txt")
LONGEST_S = 300.0
LONGEST_FULL_S = 7200.0
LONGEST_END_S = 60.0
AGAIN_S = 30.0
_took_s: Counter[str] = Counter()  # by file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every case of the sweeps of faults")
    parser.addoption("--share", default="1/1", help="which share of the tests to run, NUMBER/SHARES")
    parser.addoption("--longest", type=float, help=f"seconds a test may take ({LONGEST_S:g})")


def longest_s(config: pytest.Config) -> float:
    usual = LONGEST_FULL_S if config.getoption("--full") else LONGEST_S
    return float(config.getoption("--longest") or usual)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    limit_s = longest_s(item.config)

    def give_up(number: int, frame: object) -> None:
        pytest.fail(f"not done within {limit_s:g} s; the traceback says what it waited for")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)  # its fixtures may hang as well
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The interpreter waits at its end for every thread that is not a daemon."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            print(f"waiting for a thread that a test has left: {thread.name}", file=sys.stderr)
    faulthandler.dump_traceback_later(min(LONGEST_END_S, longest_s(config)), exit=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _took_s[Path(report.location[0]).name] += report.duration


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--share") == "1/1":
        return
    terminalreporter.write_line(f"seconds by file, from {UNKNOWN_S:g} on:")
    for name, seconds in _took_s.most_common():
        if seconds >= UNKNOWN_S:
            terminalreporter.write_line(f"{name} {seconds:.0f}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    number, shares = map(int, config.getoption("--share").split("/"))
    if shares == 1:
        return
    share_of = shared_out({item.path for item in items}, shares, SECONDS.read_text())
    mine = [item for item in items if share_of[item.path] == number - 1]
    config.hook.pytest_deselected(items=[item for item in items if share_of[item.path] != number - 1])
    items[:] = mine
