"""Images: pulled by digest, named, kept, let go."""

import pytest
from benches import Bench, Machine

from podup.errors import NotFound, PodupError


@pytest.fixture
def machine(bench: Bench) -> Machine:
    return Machine(bench)


def test_pull_by_digest_and_tag_changes_what_a_restart_runs(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    old = machine.podman.container_of(web.unit)
    digest = machine.deploy(web, "v2")
    new, image = machine.podman.container_of(web.unit), machine.podman.image(web.image)
    assert old and new and image
    assert new.image_id == image.id != old.image_id
    assert new.image_digest == image.digest == digest
    assert image.names == (web.image,)
    assert f"{web.repository}@{digest}" in image.repo_digests
    assert image.size_bytes > 0
    assert image.architecture
    by_digest = machine.podman.image(f"{web.repository}@{digest}")
    assert by_digest is not None
    assert by_digest.id == machine.podman.image(image.id).id == image.id


def test_a_pull_tells_how_far_it_is_and_returns_the_image(machine: Machine) -> None:
    web = machine.bench.service()
    digest = machine.bench.push(web, "v1")
    lines: list[str] = []
    image_id = machine.podman.pull(f"{web.repository}@{digest}", on_line=lines.append)
    assert lines[0] == f"Trying to pull {web.repository}@{digest}..."
    assert any(line.startswith("Copying blob") for line in lines)
    image = machine.podman.image(f"{web.repository}@{digest}")
    assert image is not None
    assert (image.id, image.names, image.is_dangling) == (image_id, (), True)
    assert machine.podman.image(web.image) is None
    assert machine.podman.pull(f"{web.repository}@{digest}") == image_id


def test_the_image_a_tag_left_is_still_known_by_its_repository(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    old = machine.podman.image(web.image)
    machine.deploy(web, "v2")
    new = machine.podman.image(web.image)
    assert old and new
    listed = {image.id: image for image in machine.podman.images_of([web.repository])}
    assert set(listed) == {old.id, new.id}
    assert (listed[old.id].names, listed[old.id].containers) == ((), 0)
    assert (listed[new.id].names, listed[new.id].containers) == ((web.image,), 1)
    assert abs(listed[new.id].created_at - new.created_at) < 1
    assert machine.podman.images_of(["registry.example/somebody/else"]) == ()


def test_an_image_kept_under_another_name_can_be_given_back(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    old = machine.podman.image(web.image)
    assert old is not None
    kept = f"localhost/podup/{web.name}:{old.id[7:19]}"
    machine.podman.tag(old.id, kept)
    machine.deploy(web, "v2")
    (found,) = machine.podman.images_of([f"localhost/podup/{web.name}"])
    assert (found.id, found.names) == (old.id, (kept,))
    machine.podman.tag(old.id, web.image)
    machine.systemd.restart(web.unit)
    back = machine.podman.container_of(web.unit)
    assert back is not None
    assert back.image_id == old.id
    machine.podman.untag(kept)
    machine.podman.untag(kept)
    assert machine.podman.image(kept) is None


def test_images_are_removed_only_when_nobody_uses_them(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    old = machine.podman.image(web.image)
    assert old is not None
    kept = f"localhost/podup/{web.name}:old"
    machine.podman.tag(old.id, kept)
    with pytest.raises(PodupError) as named_twice:
        machine.podman.remove_image(old.id)
    machine.podman.untag(kept)
    with pytest.raises(PodupError) as in_use:
        machine.podman.remove_image(old.id)
    assert named_twice.value.code == in_use.value.code == "image-not-removed"
    machine.deploy(web, "v2")
    machine.podman.remove_image(old.id)
    assert machine.podman.image(old.id) is None
    machine.podman.remove_image(old.id)


def test_an_image_pulled_by_several_names_can_be_removed(machine: Machine) -> None:
    web, other = machine.bench.service(), machine.bench.service("other")
    digests = [machine.bench.push(each, "v1", content=f"shared-{web.name}") for each in (web, other)]
    assert digests[0] == digests[1]
    pulled = [machine.podman.pull(f"{each.repository}@{digests[0]}") for each in (web, other)]
    assert pulled[0] == pulled[1]
    assert [image.id for image in machine.podman.images_of([other.repository])] == [pulled[0]]
    machine.podman.remove_image(pulled[0])
    assert machine.podman.image(pulled[0]) is None


def test_what_is_not_there(machine: Machine) -> None:
    web = machine.bench.service()
    machine.bench.push(web, "v1")
    nowhere = f"{web.repository}@sha256:{'a' * 64}"
    for ref in (f"{web.repository}:nope", nowhere, f"{web.repository}-not:latest"):
        with pytest.raises(PodupError) as missing:
            machine.podman.pull(ref)
        assert missing.value.code == "image-not-found", ref
    with pytest.raises(NotFound):
        machine.podman.tag(nowhere, web.image)
    assert machine.podman.image(nowhere) is None
    assert machine.podman.container("nobody") is None


def test_a_registry_that_is_away(machine: Machine) -> None:
    with pytest.raises(PodupError) as away:
        machine.podman.pull(machine.bench.missing_registry(), timeout_s=30)
    assert away.value.code == "registry-unreachable"


def test_podman_tells_of_itself(machine: Machine) -> None:
    assert int(machine.podman.version().split(".")[0]) >= 4
    space = machine.podman.disk()
    assert space.path == machine.podman.graph_root()
    assert 0 < space.free_bytes < space.total_bytes


def test_auto_update_tells_what_it_would_do(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)

    def outlook() -> str:
        rows = {row.unit: row for row in machine.podman.auto_update_outlook()}
        assert (rows[web.unit].policy, rows[web.unit].image) == ("registry", web.image)
        return rows[web.unit].updated

    assert outlook() == "false"
    machine.bench.push(web, "v2")
    assert outlook() == "pending"
