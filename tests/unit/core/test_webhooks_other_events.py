"""Signed bodies of GitHub's other events: whatever the header says, they never become a deployment."""

import json

import pytest
from github_events import body, package

from podup.core.webhooks import Ignored, PackageEvent, Ping, read_event
from podup.errors import Invalid

REPOSITORY = {"id": 1, "name": "hello", "full_name": "octo/hello", "owner": {"login": "octo"},
"private": False}
SENDER = {"login": "octo", "id": 1, "type": "User"}
COMMIT = {"id": "a" * 40, "message": "x", "added": ["package"], "removed": [], "modified": []}
WANTED = json.loads(body())

EVENTS = {
    "push": {"ref": "refs/heads/main", "before": "0" * 40, "after": "a" * 40, "commits": [COMMIT],
    "head_commit": COMMIT},
    "create": {"ref": "v1", "ref_type": "tag", "master_branch": "main"},
    "delete": {"ref": "v1", "ref_type": "tag"},
    "release": {"action": "published", "release": {"tag_name": "v1", "assets": [], "prerelease": False}},
    "issues": {"action": "opened", "issue": {"number": 1, "title": "package", "labels": []}},
    "issue_comment": {"action": "created", "issue": {"number": 1}, "comment": {"body": json.dumps(WANTED)}},
    "pull_request": {"action": "opened", "number": 1, "pull_request": {"head": {"ref": "package"}}},
    "workflow_run": {"action": "completed", "workflow_run": {"conclusion": "success"}, "workflow": {}},
    "workflow_job": {"action": "completed", "workflow_job": {"status": "completed", "steps": []}},
    "workflow_dispatch": {"inputs": {"package": package()}, "ref": "refs/heads/main", "workflow": "x.yml"},
    "repository_dispatch": {"action": "published", "branch": "main",
    "client_payload": {"package": package()}},
    "check_run": {"action": "completed", "check_run": {"output": {"text": "package"}}},
    "check_suite": {"action": "completed", "check_suite": {"conclusion": None}},
    "deployment": {"action": "created", "deployment": {"payload": {"package": package()}, "task": "deploy"}},
    "deployment_status": {"action": "created", "deployment_status": {"state": "success"}},
    "status": {"sha": "a" * 40, "state": "success", "context": "package"},
    "star": {"action": "created", "starred_at": "2024-01-01T00:00:00Z"},
    "watch": {"action": "started"},
    "fork": {"forkee": {"name": "package"}},
    "member": {"action": "added", "member": SENDER},
    "label": {"action": "created", "label": {"name": "package"}},
    "meta": {"action": "deleted", "hook_id": 1, "hook": {"events": ["package"]}},
    "public": {},
    "gollum": {"pages": [{"page_name": "package"}]},
    "page_build": {"id": 1, "build": {"status": "built"}},
    "sponsorship": {"action": "created", "sponsorship": {}},
    "projects_v2_item": {"action": "edited", "projects_v2_item": {}, "changes": {}},
    "secret_scanning_alert": {"action": "created", "alert": {"number": 1}},
    "merge_group": {"action": "checks_requested", "merge_group": {}},
    "custom_property": {"action": "created", "definition": {"property_name": "package"}},
    "installation": {"action": "created", "installation": {"id": 1}, "repositories": []},
}  # fmt: skip
HEADERS = [None, "", "package", "registry_package", "ping", "push", "PACKAGE", " package", "package\n",
"package,ping"]


@pytest.mark.parametrize("event", EVENTS)
def test_no_other_event_is_a_push_of_an_image(event):
    data = json.dumps({**EVENTS[event], "repository": REPOSITORY, "sender": SENDER}).encode()
    for header in (*HEADERS, event):
        found = read_event(header, data)
        assert isinstance(found, Ignored | Ping) and (header == "ping" or not isinstance(found, Ping))
        if isinstance(found, Ignored):
            assert found.code in ("event-not-handled", "event-mismatch") and found.reason


@pytest.mark.parametrize("header",
[header for header in HEADERS if header not in ("package", "registry_package")])
def test_a_replayed_push_under_another_header_is_no_push(header):
    for event in ("package", "registry_package"):
        assert isinstance(read_event(header, body(event)), Ignored)


@pytest.mark.parametrize("kind",
["npm", "maven", "rubygems", "nuget", "composer", "docker", "CONTAINER", "container"])
@pytest.mark.parametrize("action", ["published", "updated", "deleted", "restored", "created", ""])
@pytest.mark.parametrize("event", ["package", "registry_package"])
def test_every_kind_and_action(event, action, kind):
    found = read_event(event, body(event, package(package_type=kind, ecosystem=kind), action=action))
    wanted = action in ("published", "updated") and kind.lower() in ("container", "docker")
    assert isinstance(found, PackageEvent) == wanted


def test_extra_members_change_nothing():
    plain = read_event("package", body())
    extra = {"organization": {"login": "octo"}, "installation": {"id": 1}, "enterprise": {"slug": "e"},
    "unknown": [1]}
    assert read_event("package", body(**extra)) == plain


def test_of_a_member_named_twice_the_last_counts_and_it_must_still_be_whole():
    twice = body()[:-1] + b', "action": "deleted"}'
    assert isinstance(read_event("package", twice), Ignored)
    with pytest.raises(Invalid):
        read_event("package", body()[:-1] + b', "package": "x"}')
