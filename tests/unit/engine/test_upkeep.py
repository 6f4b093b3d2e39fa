"""What is old goes, with its files; a verified copy of the database a day."""

from __future__ import annotations

from simulated_host import Host

from podup.app.duties import HostWatch, ages_of, duties_of
from podup.core.states import Status
from podup.engine.snapshot import TaskFiles
from podup.engine.upkeep import Upkeep, back_up_daily, forget_old
from podup.store import events
from podup.store.backup import list_backups, verify


def test_an_old_task_goes_with_its_journal_and_a_young_one_stays(host: Host) -> None:
    old = host.deploy(force=True)
    host.clock.sleep(100_000)
    young = host.deploy(force=True)
    gone = forget_old(host.store, host.state, ages_of(host.loaded), host.clock, for_s=60)
    assert gone.tasks == (old.id,)
    assert not TaskFiles(host.state, old.id).journal.exists()
    assert TaskFiles(host.state, young.id).journal.exists()
    assert [task.id for task in host.tasks()] == [young.id]


def test_a_dry_run_only_counts(host: Host) -> None:
    old = host.deploy(force=True)
    host.clock.sleep(100_000)
    upkeep = Upkeep(
        host.state, host.loaded.settings.state.database, host.store, host.clock, ages_of(host.loaded)
    )
    assert upkeep.prune(dry_run=True)["tasks"] == 1
    assert host.task(old.id).status is Status.SUCCEEDED


def test_a_journal_whose_task_is_gone_is_removed(host: Host) -> None:
    journal = TaskFiles(host.state, "tsk_abcdefghjkmnpqrs").journal
    journal.write_text("{}\n")
    forget_old(host.store, host.state, ages_of(host.loaded), host.clock, for_s=60)
    assert not journal.exists()


def test_daily_backups_are_verified_and_seven_are_kept(host: Host) -> None:
    backups = host.state / "backups"
    for _ in range(9):
        made = back_up_daily(host.loaded.settings.state.database, backups, host.clock, keep=7)
        host.clock.sleep(86400)
    names = [path.name for path in list_backups(backups) if path.name.startswith("daily-")]
    assert len(names) == 7
    assert names[0] == made.path.name
    assert verify(made.path).counts == made.counts


def test_every_duty_of_the_daemon_can_be_done(host: Host) -> None:
    watch = HostWatch()
    for duty in duties_of(host.loaded, host.built, host.clock, watch):
        duty.work()
    assert watch.latest is not None
    assert (watch.latest.podman, watch.latest.systemd) == ("ok", "ok")
    assert host.service().update_state == "up_to_date"


def test_a_large_backlog_goes_in_parts_between_the_other_duties(host: Host) -> None:
    with host.store.write() as cx:
        cx.executemany("INSERT INTO event_log (ts) VALUES (?)", [(float(at),) for at in range(20_000)])
    duties = duties_of(host.loaded, host.built, host.clock, HostWatch())
    forget = next(duty.work for duty in duties if duty.name == "retention")
    begun_s = host.clock.monotonic()
    assert forget() == 1.0
    assert host.clock.monotonic() - begun_s < 3.0
    while forget() is not None:
        pass
    with host.store.read() as cx:
        assert events.count_older(cx, 19_999.0) == 0
