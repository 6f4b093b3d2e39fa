"""The routes of operators: what they change, what they refuse, what they leave alone."""

from collections.abc import Callable

import pytest
from whole import CONTROL, SECRET, TOKEN, Answer, Whole

from podup.core.states import Status
from podup.engine.policy import well_before
from podup.records import replace
from podup.store import deliveries, deployments, digests, image_locks, limits, services, tasks
from podup.store.deliveries import Delivery
from podup.store.deployments import Deployment
from podup.store.digests import Quarantine
from podup.store.services import Attention
from podup.store.tasks import Ending

AUTO = "podman-auto-update.service"


def code(answer: Answer) -> str:
    return str(answer.json["error"]["code"])


def finish(whole: Whole, task_id: str) -> None:
    with whole.database.write() as cx:
        tasks.finish(cx, task_id, Ending(Status.SUCCEEDED), now=whole.clock.now())


def test_auto_update_takes_two_in_ten_minutes_and_says_when_to_come_back(whole: Whole) -> None:
    for _ in range(2):
        answer = whole.ask("GET", f"/auto-update?token={TOKEN}", headers={})
        assert answer.status == 202
        finish(whole, answer.json["task_id"])
    third = whole.ask("POST", "/auto-update", {"token": TOKEN}, headers={})
    assert (third.status, code(third)) == (429, "auto-update-limit")
    assert 0 < int(third.headers["Retry-After"]) <= 600
    whole.clock.sleep(int(third.headers["Retry-After"]))
    assert whole.ask("POST", "/auto-update", {"token": TOKEN}, headers={}).status == 202
    assert whole.ask("GET", "/auto-update?token=guess", headers={}).status == 401
    assert TOKEN not in str(whole.events())


def test_the_long_window_holds_too(whole_with: Callable[..., Whole]) -> None:
    whole = whole_with(PODUP_LIMIT1_COUNT="100", PODUP_LIMIT2_COUNT="3", PODUP_LIMIT2_WINDOW="5h")
    seen = [whole.ask("GET", "/auto-update").status for _ in range(4)]
    assert seen == [202, 202, 202, 429]


def test_what_is_quarantined_keeps_podmans_updater_from_starting(whole: Whole) -> None:
    digest = "sha256:" + "b" * 64
    with whole.database.write() as cx:
        services.change(cx, "web.service", remote_digest=digest)
        digests.quarantine(cx, Quarantine("web.service", digest, "it exits at once", 1.0))
    for method, path in (("GET", "/auto-update"), ("POST", "/api/manual/auto-update/run")):
        answer = whole.ask(method, path, None if method == "GET" else {})
        assert (answer.status, code(answer)) == (409, "quarantined")
        assert f"quarantine release {digest}" in answer.json["error"]["hint"]
    assert whole.ask("POST", "/api/manual/auto-update/run", {"dry_run": True}).status == 202
    assert whole.ask("POST", "/api/quarantine/release", {"digest": digest}).status == 200
    assert whole.ask("GET", "/auto-update").status == 202


def test_a_head_starts_nothing(whole: Whole) -> None:
    assert whole.ask("HEAD", "/auto-update").status == 405
    assert whole.ask("GET", "/api/tasks").json["total"] == 0


def test_a_second_run_by_hand_names_the_first(whole: Whole) -> None:
    first = whole.ask("POST", "/api/manual/auto-update/run", {}).json
    assert (first["status"], first["unit"]) == ("pending", AUTO)
    again = whole.ask("POST", "/api/manual/auto-update/run", {}).json
    assert (again["status"], again["task_id"]) == ("already-running", first["task_id"])
    dry = whole.ask("POST", "/api/manual/auto-update/run", {"dry_run": True}).json
    assert dry["task_id"] != first["task_id"] and dry["dry_run"] is True
    finish(whole, first["task_id"])
    assert whole.ask("POST", "/api/manual/auto-update/run", {}).json["status"] == "pending"


def test_a_delivery_is_listed_told_and_explained(whole: Whole) -> None:
    whole.deliver("web", {"image": "ghcr.io/acme/web:latest"})
    whole.deliver("api", {"image": "ghcr.io/acme/web:latest"})
    listed = whole.ask("GET", "/api/deliveries").json
    assert [(row["unit"], row["outcome"]) for row in listed["deliveries"]] == [
        ("api.service", "ignored"),
        ("web.service", "accepted"),
    ]
    assert whole.ask("GET", "/api/deliveries?unit=web&outcome=accepted").json["total"] == 1
    ignored = whole.ask("GET", f"/api/deliveries/{listed['deliveries'][0]['id']}").json
    assert [(rule["rule"], rule["ok"]) for rule in ignored["rules"]] == [
        ("signature", True),
        ("event", True),
        ("image", False),
    ]
    task_id = listed["deliveries"][1]["task_id"]
    explained = whole.ask("GET", f"/api/explain/{task_id}").json
    assert explained["deliveries"][0]["unit"] == "web.service"
    assert explained["task"]["trigger"]["source"] == "webhook"
    assert explained["events"][0]["action"] == "github-package-update"
    by_delivery = whole.ask("GET", f"/api/explain/{listed['deliveries'][1]['id']}").json
    assert by_delivery["task"]["task_id"] == task_id
    assert whole.ask("GET", "/api/explain/nothing").status == 404


def test_a_replay_is_a_new_attempt_past_the_duplicate_rule(whole: Whole) -> None:
    first = whole.deliver("web", {"image": "ghcr.io/acme/web:latest"}).json
    finish(whole, first["task_id"])
    assert whole.deliver("web", {"image": "ghcr.io/acme/web:latest"}).json["status"] == "duplicate"
    original = whole.ask("GET", "/api/deliveries").json["deliveries"][-1]["id"]
    again = whole.ask("POST", f"/api/deliveries/{original}/replay")
    assert again.status == 202
    assert again.json["task_id"] != first["task_id"]
    assert whole.ask("GET", "/api/deliveries").json["deliveries"][0]["replay_of"] == original


def test_what_named_no_image_cannot_be_replayed(whole: Whole) -> None:
    with whole.database.write() as cx:
        deliveries.insert(cx, Delivery("d", 1.0, "web.service", "hash", "ignored"))
    answer = whole.ask("POST", "/api/deliveries/d/replay")
    assert (answer.status, code(answer)) == (409, "nothing-to-replay")


def test_simulating_has_no_effect(whole: Whole) -> None:
    def rows() -> str:
        with whole.database.read() as cx:
            names = ("tasks", "deliveries", "rate_hits", "digests")
            return str([[tuple(row) for row in cx.execute(f"SELECT * FROM {name}")] for name in names])

    before = rows()
    body = {"unit": "web", "payload": {"image": "ghcr.io/acme/web:latest"}}
    answer = whole.ask("POST", "/api/deliveries/simulate", body).json
    assert answer["outcome"] == "accepted"
    assert [rule["rule"] for rule in answer["rules"]][-1] == "limit"
    body["payload"] = {"image": "ghcr.io/acme/web:nightly"}
    assert whole.ask("POST", "/api/deliveries/simulate", body).json["outcome"] == "ignored"
    hello = {"unit": "web", "event": "ping", "payload": {"zen": "Keep it", "hook_id": 1}}
    assert whole.ask("POST", "/api/deliveries/simulate", hello).json["outcome"] == "ignored"
    assert rows() == before


def test_webhooks_are_told_unit_by_unit(whole: Whole) -> None:
    whole.deliver("web", {"image": "ghcr.io/acme/web:latest"})
    whole.deliver("web", {"image": "x"}, secret="wrong")
    whole.engine.log.flush()
    found = whole.ask("GET", "/api/webhooks/status").json
    web = next(row for row in found["webhooks"] if row["unit"] == "web.service")
    assert web["url"] == "http://localhost/github-package-update/web"
    assert web["secret"] == "shared" and web["last_success"] and web["last_failure"] is None
    assert found["wrong_signatures_last_day"] == 1
    assert SECRET not in str(found)
    assert whole.ask("GET", "/last_payload.bin").body == b'{"image": "x"}'


def test_a_lock_of_a_living_task_is_taken_only_by_force(whole: Whole) -> None:
    task_id = whole.ask("POST", "/api/manual/services/web", {}).json["task_id"]
    with whole.database.write() as cx:
        image_locks.acquire_all(cx, ["image:ghcr.io/acme/web"], owner=task_id, now_s=whole.clock.now())
        image_locks.acquire_all(cx, ["unit:old.service"], owner="tsk_gone", now_s=whole.clock.now())
    whole.clock.sleep(60)
    locks = {row["bucket"]: row for row in whole.ask("GET", "/api/image-locks").json["locks"]}
    assert locks["unit:old.service"]["age_s"] == 60.0
    refused = whole.ask("DELETE", "/api/image-locks/image:ghcr.io/acme/web")
    assert (refused.status, code(refused)) == (409, "lock-in-use")
    assert whole.ask("DELETE", "/api/image-locks/image:ghcr.io/acme/web?force=1").status == 200
    assert whole.ask("DELETE", "/api/image-locks/unit:old.service").json["released"] is True
    assert whole.ask("DELETE", "/api/image-locks/unit:old.service").status == 404


def test_prune_says_what_it_would_do_and_then_does_it(whole: Whole) -> None:
    state = whole.engine.state_dir
    task_id = whole.ask("POST", "/api/manual/services/web", {}).json["task_id"]
    finish(whole, task_id)
    journal = state / "tasks" / f"{task_id}.jsonl"
    journal.write_text("{}\n")
    with whole.database.write() as cx:
        limits.record(cx, "old", now_s=whole.clock.now())
        image_locks.acquire_all(cx, ["unit:old.service"], owner="tsk_gone", now_s=1.0)
    older = ["ratelimit.db", "ratelimit.lock", "github-image-limits/a.db", "github-image-locks/a.lock"]
    for name in older:
        (state / name).parent.mkdir(exist_ok=True)
        (state / name).write_text("")
    kept = ["other.db", "notes.lock"]
    for name in kept:
        (state / name).write_text("mine")
    whole.clock.sleep(2 * 86400)

    would = whole.ask("POST", "/api/prune-state", {"dry_run": True, "max_age_hours": 24}).json
    assert journal.exists() and all((state / name).exists() for name in older)
    did = whole.ask("POST", "/api/prune-state", {"max_age_hours": 24}).json
    assert {**would, "dry_run": False} == did
    assert (did["tasks"], did["locks"], did["timestamps"]) == (1, ["unit:old.service"], 1)
    assert sorted(did["older_files"]) == sorted(older)
    assert not journal.exists() and not any((state / name).exists() for name in older)
    assert not (state / "github-image-locks").exists()
    assert all((state / name).read_text() == "mine" for name in kept)
    assert (state / "daemon.lock").exists()
    again = whole.ask("POST", "/api/prune-state", {"max_age_hours": 24}).json
    assert not any(again[name] for name in ("tasks", "locks", "timestamps", "older_files"))


def test_the_database_is_checked_and_copied(whole: Whole) -> None:
    made = whole.ask("POST", "/api/db/backup").json
    kept = whole.ask("GET", "/api/db").json
    assert kept["ok"] and not kept["problems"]
    assert [one["path"] for one in kept["backups"]] == [made["path"]]
    assert made["rows"]["services"] == kept["rows"]["services"] > 0


def test_a_freeze_is_told_and_ended(whole: Whole) -> None:
    frozen = whole.ask("POST", "/api/freeze", {"unit": "web", "reason": "sale"}).json
    assert (frozen["unit"], frozen["reason"], frozen["caller"]) == ("web.service", "sale", "PODUP_TOKEN")
    whole.ask("POST", "/api/freeze", {})
    assert [row["unit"] for row in whole.ask("GET", "/api/freezes").json["freezes"]] == ["", "web.service"]
    services = whole.ask("GET", "/api/manual/services").json["services"]
    assert {row["unit"]: row["frozen"] for row in services}["web.service"] == "sale"
    assert whole.ask("POST", "/api/unfreeze", {"unit": "web.service"}).status == 200
    assert whole.ask("POST", "/api/unfreeze", {}).status == 200
    assert code(whole.ask("POST", "/api/unfreeze", {})) == "not-frozen"
    assert code(whole.ask("POST", "/api/freeze", {"unit": "no-such"})) == "unit-not-found"


def test_a_quarantined_digest_is_released_by_how_it_begins(whole: Whole) -> None:
    with whole.database.write() as cx:
        for letter in "ab":
            digests.quarantine(cx, Quarantine("web.service", f"sha256:{letter * 64}", "it crashed", 1.0))
    assert whole.ask("POST", "/api/quarantine/release", {}).status == 400
    assert whole.ask("POST", "/api/quarantine/release", {"digest": "cc"}).status == 404
    done = whole.ask("POST", "/api/quarantine/release", {"digest": "aaaa", "caller": "me"}, peer=CONTROL)
    assert [row["digest"] for row in done.json["released"]] == ["sha256:" + "a" * 64]
    assert whole.ask("GET", "/api/quarantine").json["total"] == 1
    everything = whole.ask("GET", "/api/quarantine?unit=web&released=1").json["quarantine"]
    assert {row["digest"][7]: row["released_by"] for row in everything} == {"a": "me", "b": ""}


def test_a_token_is_shown_once_kept_as_a_hash_and_can_be_ended(whole: Whole) -> None:
    made = whole.ask("POST", "/api/tokens", {"name": "ci", "scopes": ["manual"], "days": 1})
    assert made.status == 201
    bearer = {"authorization": f"Bearer {made.json['token']}"}
    assert whole.ask("POST", "/api/manual/services/web", {"dry_run": True}, headers=bearer).status == 202
    assert whole.ask("GET", "/api/tokens", headers=bearer).status == 403
    listed = whole.ask("GET", "/api/tokens")
    assert made.json["token"] not in listed.body.decode() + str(whole.events())
    with whole.database.read() as cx:
        assert made.json["token"] not in str([tuple(row) for row in cx.execute("SELECT * FROM tokens")])
    whole.clock.sleep(86401)
    assert whole.ask("GET", "/api/manual/services", headers=bearer).status == 401
    whole.auth.failures._seen.clear()
    other = whole.ask("POST", "/api/tokens", {"name": "other"}).json
    assert whole.ask("DELETE", "/api/tokens/other").json["revoked"] == 1
    assert whole.ask("GET", "/api/tasks", headers={"authorization": f"Bearer {other['token']}"}).status == 401
    assert whole.ask("DELETE", "/api/tokens/other").status == 404
    for wrong in ({"name": ""}, {"name": "x", "scopes": ["root"]}, {"name": "x", "days": -1}):
        assert whole.ask("POST", "/api/tokens", wrong).status == 400


def test_a_session_ends_with_its_token_and_the_use_of_a_token_is_noted(whole: Whole) -> None:
    made = whole.ask("POST", "/api/tokens", {"name": "phone"}).json
    assert made["last_used_at"] is None
    logged_in = whole.ask("POST", "/api/login", {"token": made["token"]}, headers={})
    cookie = {"cookie": logged_in.headers["Set-Cookie"].partition(";")[0]}
    assert whole.ask("GET", "/api/tasks", headers=cookie).status == 200
    whole.token_uses.turn()
    listed = {row["name"]: row for row in whole.ask("GET", "/api/tokens").json["tokens"]}
    assert listed["phone"]["last_used_at"] == whole.clock.now()
    assert whole.ask("DELETE", f"/api/tokens/{made['id']}").status == 200
    assert whole.ask("GET", "/api/tasks", headers=cookie).status == 401
    assert whole.ask("GET", "/api/session", headers=cookie).json["name"] == ""


def test_settings_and_config_show_no_secret(whole: Whole) -> None:
    settings = whole.ask("GET", "/api/settings")
    config = whole.ask("GET", "/api/config", headers={})
    assert settings.status == config.status == 200
    shown = settings.body.decode() + config.body.decode()
    assert TOKEN not in shown and SECRET not in shown
    rows = {row["name"]: row for row in settings.json["settings"]}
    assert (rows["PODUP_TOKEN"]["value"], rows["PODUP_TOKEN"]["source"]) == ("set", "environment")
    assert {row["kind"] for row in whole.ask("GET", "/api/kinds").json["kinds"]} >= {"deploy", "rollback"}


def test_another_sites_name_does_not_open_what_is_open_to_everybody(whole_with: Callable[..., Whole]) -> None:
    whole = whole_with(PODUP_DEV_OPEN_ADMIN="1")
    for host in ("localhost:25111", "127.0.0.1:25111", "[::1]:25111", "192.0.2.1"):
        assert whole.ask("GET", "/api/tasks", headers={"host": host}).status == 200, host
    rebound = whole.ask("GET", "/api/tasks", headers={"host": "evil.example:25111"})
    assert (rebound.status, code(rebound)) == (421, "wrong-host")
    assert whole.ask("GET", "/health", headers={"host": "evil.example"}).status == 200


def test_a_name_may_be_given_to_what_is_open_to_everybody(whole_with: Callable[..., Whole]) -> None:
    whole = whole_with(PODUP_DEV_OPEN_ADMIN="1", PODUP_ALLOWED_HOSTS="trial.example")
    assert whole.ask("GET", "/api/tasks", headers={"host": "trial.example"}).status == 200


def test_a_unit_named_in_two_ways_is_restarted_once(whole: Whole) -> None:
    answer = whole.ask("POST", "/api/manual/trigger", {"units": ["web", "web.service"], "dry_run": True})
    assert [one["unit"] for one in answer.json["triggered"]] == ["web.service"]


def test_webhook_urls_are_those_of_the_proxy_in_front(whole: Whole) -> None:
    said = {"authorization": f"Bearer {TOKEN}", "host": "podup.example", "x-forwarded-proto": "https"}
    rows = whole.ask("GET", "/api/webhooks/status", headers=said).json["webhooks"]
    assert all(row["url"].startswith("https://podup.example/github-package-update/") for row in rows)


def test_the_plain_page_tells_a_stranger_little_and_the_operator_more(whole: Whole) -> None:
    stranger = whole.ask("GET", "/", headers={})
    assert stranger.status == 200 and b"Log in" in stranger.body and b"Last deployments" not in stranger.body
    form = {"content-type": "application/x-www-form-urlencoded"}
    failed = whole.ask("POST", "/401", b"token=guess", headers=form)
    assert failed.status == 401 and b"role='alert'" in failed.body
    done = whole.ask("POST", "/401", f"token={TOKEN}".encode(), headers=form)
    assert (done.status, done.headers["Location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in done.headers["Set-Cookie"]
    cookie = {"cookie": done.headers["Set-Cookie"].partition(";")[0]}
    assert b"Last deployments" in whole.ask("GET", "/tasks", headers=cookie).body
    assert whole.ask("GET", "/api/tasks", headers=cookie).status == 200
    code_link = whole.auth.sessions.new_code()
    assert b"<code>admin-token</code>" in whole.ask("GET", "/401", headers={}).body
    assert code_link.encode() in whole.ask("GET", f"/401?code={code_link}", headers={}).body
    assert whole.ask("POST", "/401", f"code={code_link}".encode(), headers=form).status == 303
    assert whole.ask("POST", "/401", f"code={code_link}".encode(), headers=form).status == 401
    assert b"<script" not in whole.ask("GET", "/401?code=<script>", headers={}).body
    assert whole.ask("GET", "/manual", headers={}).headers["Location"] == "/services"


def test_the_plain_page_says_of_health_what_health_says(whole: Whole) -> None:
    assert b"Health: ok" in whole.ask("GET", "/", headers={}).body
    with whole.database.write() as cx:
        services.mark_needs_operator(cx, Attention("web.service", "neither <old> nor new runs", 1.0, ""))
    stranger = whole.ask("GET", "/", headers={}).body
    assert b"Health: degraded" in stranger and b"nor new" not in stranger
    assert b"neither &lt;old&gt; nor new runs" in whole.ask("GET", "/", headers={}, peer=CONTROL).body


def test_a_session_ends_with_its_token_on_the_page_too(whole: Whole) -> None:
    made = whole.ask("POST", "/api/tokens", {"name": "guest", "scopes": ["admin"]}).json
    cookie = whole.ask("POST", "/api/login", {"token": made["token"]}, headers={}).headers["Set-Cookie"]
    said = {"cookie": cookie.partition(";")[0]}
    assert b"Last deployments" in whole.ask("GET", "/", headers=said).body
    assert whole.ask("DELETE", f"/api/tokens/{made['id']}").status == 200
    assert b"Last deployments" not in whole.ask("GET", "/", headers=said).body


def test_the_plain_page_shows_a_narrow_token_no_more_than_the_api_does(whole: Whole) -> None:
    made = whole.ask("POST", "/api/tokens", {"name": "prometheus", "scopes": ["metrics"]}).json
    cookie = whole.ask("POST", "/api/login", {"token": made["token"]}, headers={}).headers["Set-Cookie"]
    said = {"cookie": cookie.partition(";")[0]}
    assert b"Last deployments" not in whole.ask("GET", "/", headers=said).body


def test_another_site_cannot_log_somebody_in(whole: Whole) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
    answer = whole.ask("POST", "/401", f"token={TOKEN}".encode(), headers=form)
    assert answer.status == 403 and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("where", ["PODUP_WEB_DIST", ""])
def test_a_page_of_ones_own_is_served_in_its_place(
    where: str, whole_with: Callable[..., Whole], tmp_path_factory: pytest.TempPathFactory
) -> None:
    dist = tmp_path_factory.mktemp("dist")
    if not where:
        dist = tmp_path_factory.mktemp("home") / "state/web/dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html>my page")
    (dist / "assets/app.js").write_text("1")
    whole = whole_with(**({where: str(dist)} if where else {"PODUP_STATE_DIR": str(dist.parents[1])}))
    assert b"my page" in whole.ask("GET", "/tasks", headers={}).body
    script = whole.ask("GET", "/assets/app.js", headers={})
    assert script.headers["Content-Type"].startswith("text/javascript")
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert whole.ask("POST", "/401", f"token={TOKEN}".encode(), headers=form).status == 303


def test_deploying_the_same_image_again_forgets_nothing_to_go_back_to(whole: Whole) -> None:
    old, new = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    with whole.database.write() as cx:
        for number, before in enumerate((old, new)):
            done = Deployment("web.service", "deploy", "succeeded", number, from_digest=before, to_digest=new)
            deployments.insert(cx, replace(done, task_id=f"tsk_{number}"))
    with whole.database.read() as cx:
        assert well_before(cx, "web.service") == (old,)
    for begins in (old, "sha256:aaaa", "aaaaaaaaaaaa"):
        answer = whole.ask("POST", "/api/manual/services/web/rollback", {"to": begins, "dry_run": True})
        with whole.database.read() as cx:
            assert tasks.get(cx, answer.json["task_id"]).params["to"] == old
    refused = whole.ask("POST", "/api/manual/services/web/rollback", {"to": "sha256:cccc"})
    assert (refused.status, code(refused)) == (400, "bad-image-reference")


def test_a_token_wants_scopes_that_exist(whole: Whole) -> None:
    for scopes, says in ((["all"], "not a scope: 'all'"), ([], "no scope was named")):
        refused = whole.ask("POST", "/api/tokens", {"name": "ci", "scopes": scopes})
        assert (refused.status, refused.json["error"]["message"]) == (400, says)
