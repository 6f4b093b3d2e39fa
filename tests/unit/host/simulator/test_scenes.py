from podup.host.discovery import Discovery
from podup.host.podman import Podman
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import SimulatedUnit
from podup.host.simulator.scenes import container_unit, set_up_demo
from podup.host.simulator.simulator import Simulator
from podup.host.systemd import Systemd


def test_the_demos_shop_is_open_and_its_files_tell_what_it_runs() -> None:
    simulator = Simulator(ManualClock())
    units = set_up_demo(simulator)
    assert set_up_demo(simulator) == units
    systemd = Systemd(simulator)
    assert all(state.is_active for state in systemd.show(*units))
    assert systemd.dependants("web.service") == (("proxy.service", "active"),)
    discovery = Discovery(systemd, Podman(simulator))
    found = {one.unit: one for one in discovery.discover().services}
    assert set(found) == set(units)
    web = found["web.service"]
    assert (web.kind, web.image) == ("podman-run", "ghcr.io/acme/web:latest")
    config = discovery.config_of("web.service")
    assert (config.auto_update, config.probe) == ("registry", "http://127.0.0.1:8080/health")
    assert not config.pulls_at_start
    assert simulator.probe(config.probe, timeout_s=1).ok


def test_traits_reach_the_files() -> None:
    simulator = Simulator(ManualClock())
    traits = SimulatedUnit("", pull="always", notify="container", restart="always")
    simulator.add(container_unit("web", "ghcr.io/acme/web:1", traits=traits))
    config = Discovery(Systemd(simulator), Podman(simulator)).config_of("web.service")
    assert (config.pull_policy, config.pulls_at_start) == ("always", True)
