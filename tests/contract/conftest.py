"""One suite, two machines: the simulated one, and the real one when inside the lab (scripts/test lab)."""

import os
from collections.abc import Iterator

import pytest
from benches import Bench, SimulatedBench, open_lab_bench

INSIDE_LAB = "LAB_REGISTRY" in os.environ


@pytest.fixture(params=["simulated", "real"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A machine with podman, systemd and a registry."""
    if request.param == "simulated":
        yield SimulatedBench()
        return
    if not INSIDE_LAB:
        pytest.skip("not inside the lab: scripts/test lab runs this on a real host")
    with open_lab_bench() as real:
        yield real
