import pytest

from podup.core.sync import Entry, is_protected, plan_sync


def test_sorts_every_path_into_one_place() -> None:
    source = [
        Entry("docker-compose.yml", "new"),
        Entry("conf/odoo.conf", "a"),
        Entry("conf/new.conf", "b"),
        Entry("run.sh", "c", True),
        Entry(".env", "secret"),
        Entry("data/x", "d"),
        Entry("link"),
        Entry("uploads/a.txt", "e"),
    ]
    target = [
        Entry("docker-compose.yml", "old"),
        Entry("conf/odoo.conf", "a"),
        Entry("run.sh", "c", False),
        Entry(".env", "mine"),
        Entry("notes.txt", "z"),
        Entry("data/y", "y"),
    ]
    plan = plan_sync(source, target, mounts=("./uploads",))
    assert plan.create == ("conf/new.conf",)
    assert plan.update == ("docker-compose.yml", "run.sh")
    assert plan.left_alone == (".env", "data/x", "link", "uploads/a.txt")
    assert set(plan.copies) == {"conf/new.conf", "docker-compose.yml", "run.sh"}


def test_a_file_never_replaces_a_directory_or_a_link() -> None:
    assert plan_sync([Entry("conf", "a")], [Entry("conf/x", "b")]).left_alone == ("conf",)
    assert plan_sync([Entry("conf", "a")], [Entry("conf")]).left_alone == ("conf",)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        "sub/.env",
        "prod.env",
        "data/a",
        "x/pgdata/1",
        "a.db",
        "../x",
        "/etc/x",
        ".git/HEAD",
    ],
)
def test_protected(path: str) -> None:
    assert is_protected(path)


@pytest.mark.parametrize(
    "path", ["docker-compose.yml", "conf/environment.conf", "database.conf", "datasource.yml"]
)
def test_not_protected(path: str) -> None:
    assert not is_protected(path)
