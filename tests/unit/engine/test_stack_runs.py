"""Deployments and rollbacks of a stack from beginning to end, on the simulated machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from stack_simulator import REPOSITORY, Clock, Killed, Machine

from podup.core import promotion
from podup.core.deploy_history import HistoryRecord as Line
from podup.core.secrets import Redactor
from podup.core.states import Status
from podup.engine.record import Outcome, Record
from podup.engine.run import Job, Run
from podup.engine.story import tell
from podup.recipes.stack_goal import StackParams
from podup.recipes.stack_promote import StackPromoteParams
from podup.recipes.table import recipe_of


class Sink:
    """A journal in memory."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        self.records.append(record)


def run_of(machine: Machine, sink: Sink, kind: str, *, dry_run: bool = False, **params: Any) -> Run:
    record = Record(sink, machine.clock, Redactor())
    job = Job(recipe_of(f"stack_{kind}"), StackParams(machine.stack, **params), dry_run)
    return Run(job, world=machine.world(), record=record, clock=machine.clock, is_stopped=lambda: False)


def change(machine: Machine, kind: str = "deploy", **params: Any) -> Outcome:
    return run_of(machine, Sink(), kind, **params).execute()


def lines(outcome: Outcome) -> list[str]:
    told = [item.values for item in outcome.remember if item.what == "stack-history"]
    return [f"{line['action']} {line['version']} {line['status']}" for line in told]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machine(clock: Clock) -> Machine:
    """A stack that runs v1 and needs no proof."""
    made = Machine(clock, needs_proof=False)
    clock.sleep(100)
    return made


def _web(machine: Machine) -> str:
    return next(item.state.image_id for item in machine.seen().items if item.service == "web")


def as_before(machine: Machine) -> bool:
    well = all(item.state.running and item.state.health != "unhealthy" for item in machine.seen().items)
    return machine.env == b"# settings\r\nTAG='v1'\r\n" and _web(machine) == "id-v1" and well


def test_a_good_version_goes_live(machine: Machine) -> None:
    outcome = change(machine, version="v2")
    assert outcome.status is Status.SUCCEEDED
    assert machine.env == b"# settings\r\nTAG='v2'\r\n"
    assert _web(machine) == "id-v2"
    assert lines(outcome) == ["deploy v2 success"]
    assert machine.images["localhost/podup/stack-odoo-prod/web:v1"] == "id-v1"
    expected = ["MakeBackup", "KeepStackImage", "PullStackImage", "SetVersion", "StackUp"]
    assert machine.performed == [*expected, "PruneBackups", "PruneKept"]


def test_the_database_is_not_touched(machine: Machine) -> None:
    before = machine.containers["db"].state.id
    change(machine, version="v2")
    assert machine.containers["db"].state.id == before


def test_a_dry_run_performs_nothing(machine: Machine) -> None:
    outcome = run_of(machine, Sink(), "deploy", dry_run=True, version="v2").execute()
    assert outcome.status is Status.PLANNED
    assert machine.performed == [] and as_before(machine)


@pytest.mark.parametrize("what", ["exits", "crash-loops", "slow-crash-loop", "sickens", "never-ready"])
def test_a_bad_image_is_taken_back(machine: Machine, what: str) -> None:
    machine.behaviour["id-v2"] = what
    sink = Sink()
    outcome = run_of(machine, sink, "deploy", version="v2").execute()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert any("web: exited" in str(line["meta"]) for line in tell(sink.records).logs)
    assert lines(outcome) == ["deploy v2 fail", "rollback v1 success"]
    assert as_before(machine)


def test_smoke_may_flap_but_not_fail_three_times(machine: Machine) -> None:
    machine.smoke_answers = [False, False, True]
    assert change(machine, version="v2").status is Status.SUCCEEDED
    machine.smoke_answers = [False] * 3
    outcome = change(machine, version="v3")
    assert outcome.status is Status.ROLLED_BACK and "smoke failed" in outcome.summary
    assert _web(machine) == "id-v2"


def test_smoke_can_be_skipped_on_record(machine: Machine) -> None:
    machine.smoke_answers = [False] * 30
    outcome = change(machine, version="v2", skip_smoke=True, reason="approved by ops")
    assert outcome.status is Status.SUCCEEDED
    assert outcome.remember[0].values["notes"] == "smoke skipped, approved by ops"


def test_a_missing_image_is_refused_and_with_force_taken_back(machine: Machine) -> None:
    refused = change(machine, version="wrong")
    assert (refused.status, refused.code) == (Status.SKIPPED, "image-not-served")
    assert machine.performed == [] and lines(refused) == []
    forced = change(machine, version="wrong", force=True)
    assert forced.status is Status.ROLLED_BACK
    assert lines(forced) == ["deploy wrong fail", "rollback v1 success"]
    assert machine.performed == ["MakeBackup", "KeepStackImage", "PullStackImage", "ConfirmUnchanged"]
    assert as_before(machine)


def test_a_failing_backup_stops_the_deployment(machine: Machine) -> None:
    machine.broken["MakeBackup"] = "the dump of odoo cannot be read to its end"
    outcome = change(machine, version="v2")
    assert (outcome.status, outcome.code) == (Status.FAILED, "backup-failed")
    assert lines(outcome) == ["deploy v2 fail"]
    assert machine.performed == ["MakeBackup"] and as_before(machine)


@pytest.mark.parametrize("step", ["KeepStackImage", "PullStackImage", "SetVersion", "StackUp"])
def test_a_failing_step_is_taken_back(machine: Machine, step: str) -> None:
    machine.broken[step] = "no"
    outcome = change(machine, version="v2")
    assert outcome.status is Status.ROLLED_BACK
    assert as_before(machine)


def test_a_rollback_that_fails_too_asks_for_an_operator(machine: Machine) -> None:
    machine.behaviour["id-v2"] = "exits"
    machine.broken["RestoreEnv"] = "the disk is full"
    outcome = change(machine, version="v2")
    assert (outcome.status, outcome.code) == (Status.FAILED, "rollback-failed")
    assert lines(outcome) == ["deploy v2 fail", "rollback v1 fail"]
    assert outcome.remember[-1].what == "needs-operator"


def test_a_tag_moved_on_this_machine_between_pull_and_judge_is_noticed(machine: Machine) -> None:
    machine.behaviour["id-v2"] = "never-ready"
    run = run_of(machine, Sink(), "deploy", version="v2")
    machine.clock.sleep = _moving(machine)  # type: ignore[method-assign]
    assert run.execute().status is Status.ROLLED_BACK
    assert as_before(machine)


def _moving(machine: Machine) -> Any:
    def sleep(seconds: float) -> None:
        machine.clock.at += seconds
        machine.images[f"{REPOSITORY}:v2"] = "id-other"

    return sleep


def test_a_redeployed_tag_that_moved_is_taken_back_to_the_same_image(machine: Machine) -> None:
    machine.registry[f"{REPOSITORY}:v1"] = "id-new"
    machine.behaviour["id-new"] = "exits"
    outcome = change(machine, version="v1")
    assert outcome.status is Status.ROLLED_BACK
    assert as_before(machine)
    assert machine.images[f"{REPOSITORY}:v1"] == "id-v1"


def test_a_first_deployment_that_fails_leaves_nothing_running(clock: Clock) -> None:
    machine = Machine(clock, needs_proof=False)
    machine.containers.clear()
    machine.behaviour["id-v2"] = "exits"
    outcome = change(machine, version="v2")
    assert outcome.status is Status.ROLLED_BACK
    assert machine.containers == {} and machine.version == "v1"
    machine.records = history("deploy v2 fail")
    assert change(machine, version="v3").status is Status.SUCCEEDED, "the next one is a first one still"


def test_a_stack_that_was_taken_down_is_not_changed_without_a_dump_of_its_data(clock: Clock) -> None:
    machine = Machine(clock, needs_proof=False)
    machine.containers.clear()
    machine.left_volumes = ("odoo-prod_data",)
    outcome = change(machine, version="v2")
    assert outcome.code == "backup-failed" and "database odoo" in outcome.summary
    assert machine.version == "v1" and machine.containers == {}


def test_production_wants_a_proof(clock: Clock) -> None:
    machine = Machine(clock)
    assert change(machine, version="v2").code == "not-verified"
    machine.proof = promotion.Proof(
        "odoo", "v2", "odoo-staging", clock.now(), "", ((REPOSITORY, "sha256:id-v2"),)
    )
    assert change(machine, version="v3").code == "not-verified"
    assert change(machine, version="v2").status is Status.SUCCEEDED
    machine.proof_is_edited = True
    assert change(machine, version="v2").code == "proof-edited"
    assert change(machine, version="v2", force=True).status is Status.SUCCEEDED


def proof_of(machine: Machine) -> promotion.Proof:
    digests = ((REPOSITORY, "sha256:id-v2"),)
    return promotion.Proof("odoo", "v2", "odoo-staging", machine.clock.now(), "", digests)


def test_an_expired_proof_is_refused(clock: Clock) -> None:
    machine = Machine(clock, proof_max_age_h=24)
    machine.proof = proof_of(machine)
    clock.sleep(25 * 3600)
    assert change(machine, version="v2").code == "proof-expired"


def test_a_moved_tag_is_refused_before_anything_is_touched(clock: Clock) -> None:
    machine = Machine(clock)
    machine.proof = proof_of(machine)
    machine.registry[f"{REPOSITORY}:v2"] = "id-moved"
    outcome = change(machine, version="v2")
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "tag-moved")
    assert machine.performed == []
    assert change(machine, version="v2", force=True).status is Status.SUCCEEDED


def test_a_tag_that_moves_between_preflight_and_pull_never_runs(clock: Clock) -> None:
    machine = Machine(clock)
    machine.proof = proof_of(machine)
    machine.moved_meanwhile[f"{REPOSITORY}:v2"] = "id-moved"
    outcome = change(machine, version="v2")
    assert outcome.status is Status.ROLLED_BACK and "has moved" in outcome.summary
    assert "StackUp" not in machine.performed and as_before(machine)


def test_a_short_name_is_proven_as_its_whole_one(clock: Clock) -> None:
    machine = Machine(clock)
    machine.file = machine.file.replace("ghcr.io/acme/odoo", "odoo")
    machine.registry["odoo:v2"] = "id-moved"
    machine.proof = replace(proof_of(machine), digests=(("docker.io/library/odoo", "sha256:id-v2"),))
    assert change(machine, version="v2").code == "tag-moved"


def test_a_staging_deployment_writes_the_proof(clock: Clock) -> None:
    machine = Machine(clock, name="odoo-staging", env="staging")
    change(machine, version="v2")
    assert machine.proof is not None
    assert (machine.proof.family, machine.proof.version) == ("odoo", "v2")
    assert machine.proof.digests == ((REPOSITORY, "sha256:id-v2"),)
    change(machine, version="v3", skip_smoke=True, reason="x")
    assert machine.proof.version == "v2"


def history(*rows: str) -> list[Line]:
    return [Line("2026-01-30 10:00:00", "odoo-prod", "prod", *row.split()) for row in rows]


def test_rollback_goes_to_the_last_good_version_with_the_registry_gone(machine: Machine) -> None:
    change(machine, version="v2")
    machine.records = history("deploy v1 success", "deploy v2 success")
    machine.registry.clear()
    outcome = change(machine, "rollback")
    assert outcome.status is Status.SUCCEEDED, outcome
    assert lines(outcome) == ["rollback v1 success"]
    assert as_before(machine)


def test_rollback_uses_the_kept_image_when_the_tag_is_gone(machine: Machine) -> None:
    change(machine, version="v2")
    machine.registry.clear()
    del machine.images[f"{REPOSITORY}:v1"]
    assert change(machine, "rollback", version="v1").status is Status.SUCCEEDED
    assert as_before(machine)


def test_a_return_that_comes_after_the_next_change_is_none(machine: Machine) -> None:
    change(machine, version="v2")
    change(machine, version="v3")
    outcome = change(machine, "rollback", version="v1", instead_of="v2")
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "superseded")
    assert _web(machine) == "id-v3"


def test_rollback_says_when_its_image_is_nowhere(machine: Machine) -> None:
    change(machine, version="v2")
    machine.registry.clear()
    for name in [name for name, known in machine.images.items() if known == "id-v1"]:
        del machine.images[name]
    outcome = change(machine, "rollback", version="v1")
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "image-not-served")
    assert _web(machine) == "id-v2"


def test_rollback_without_any_good_version_is_refused(machine: Machine) -> None:
    assert change(machine, "rollback").code == "no-good-version"


def test_rollback_can_leave_the_dumps_out_while_the_database_is_down(machine: Machine) -> None:
    change(machine, version="v2")
    machine.behaviour["id-pg"] = "exits"
    refused = change(machine, "rollback", version="v1")
    assert refused.code == "backup-failed" and "--no-dumps" in refused.summary
    machine.behaviour.clear()
    outcome = change(machine, "rollback", version="v1", dumps=False)
    assert outcome.status is Status.SUCCEEDED, outcome


@pytest.mark.parametrize(
    ("change_of", "code"),
    [
        ({"free_percent": 10.0}, "disk-full"),
        ({"file": "services: [1"}, "yaml-not-understood"),
        ({"file": "services:\n  web: {image: 'x:${TAG}', build: .}\n"}, "builds-here"),
        ({"file": "services:\n  web: {image: 'x:1'}\n  db: {image: 'postgres:15'}\n"}, "image-not-served"),
    ],
)
def test_preflight_stops_before_anything_is_touched(
    machine: Machine, change_of: dict[str, Any], code: str
) -> None:
    for name, value in change_of.items():
        setattr(machine, name, value)
    outcome = change(machine, version="v2")
    assert (outcome.status, outcome.code) == (Status.SKIPPED, code)
    assert machine.performed == []


def test_what_is_in_a_volume_without_a_name_is_not_left_behind(machine: Machine) -> None:
    """podman-compose starts a new container with a new, empty one; a container that stays keeps its own."""
    machine.containers["db"] = replace(machine.containers["db"], unnamed=("/v/1:/data",))
    assert change(machine, version="v2").status is Status.SUCCEEDED, "somebody else started it: it stays"
    machine.containers["db"] = replace(machine.containers["db"], definition="another")
    outcome = change(machine, version="v3")
    assert outcome.code == "volume-unnamed" and "db: /data" in outcome.summary
    machine.containers["db"] = replace(machine.containers["db"], definition="", unnamed=())
    machine.containers["web"] = replace(machine.containers["web"], unnamed=("/v/2:/var/lib/odoo",))
    assert change(machine, version="v3").code == "volume-unnamed"
    assert machine.version == "v2"


@pytest.mark.parametrize("number", range(1, 12))
def test_a_deployment_stopped_at_any_point_is_taken_back(machine: Machine, number: int) -> None:
    machine.behaviour["id-v2"] = "never-ready"
    looks = iter(range(1, 1000))
    record = Record(Sink(), machine.clock, Redactor())
    run = Run(
        Job(recipe_of("stack_deploy"), StackParams(machine.stack, "v2")),
        world=machine.world(),
        record=record,
        clock=machine.clock,
        is_stopped=lambda: next(looks) >= number,
    )
    outcome = run.execute()
    assert outcome.status is Status.CANCELLED, outcome
    assert as_before(machine)


@pytest.mark.parametrize("what", ["good", "exits"])
@pytest.mark.parametrize("number", range(1, 10))
def test_a_process_killed_at_any_action_is_recovered(clock: Clock, number: int, what: str) -> None:
    machine = Machine(clock, needs_proof=False)
    clock.sleep(100)
    machine.behaviour["id-v2"] = what
    machine.kill_at = number
    sink = Sink()
    try:
        run_of(machine, sink, "deploy", version="v2").execute()
    except Killed:
        outcome = run_of(machine, sink, "deploy", version="v2").recover(sink.records)
        assert outcome.status in (Status.INTERRUPTED, Status.SUCCEEDED, Status.FAILED), outcome
        assert outcome.code != "rollback-failed", outcome
    assert as_before(machine) or (what == "good" and _web(machine) == "id-v2" and machine.version == "v2")
    assert machine.rows == 1000


def test_what_was_refused_leaves_no_line(clock: Clock) -> None:
    """Whoever searches the history for failures wants those of changes that were tried."""
    machine = Machine(clock)
    record = Record(Sink(), clock, Redactor())
    job = Job(recipe_of("stack_promote"), StackPromoteParams(machine.stack, ""))
    run = Run(job, world=machine.world(), record=record, clock=clock, is_stopped=lambda: False)
    outcome = run.execute()
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "does-not-prove")
    assert outcome.remember == ()
