"""Bodies of GitHub's two package events; `...` as a value removes a member."""

import json

D = "sha256:" + "c" * 64


def package(**changes):
    """The package of one push to ghcr.io/octo/hello:v1, as GitHub sends it."""
    base = {
        "id": 7,
        "name": "hello",
        "namespace": "octo",
        "description": None,
        "ecosystem": "CONTAINER",
        "package_type": "CONTAINER",
        "html_url": "https://github.com/users/octo/packages/container/hello/1",
        "owner": {"login": "octo", "id": 1, "type": "User"},
        "package_version": version(),
        "registry": {
            "about_url": "https://docs.github.com/packages",
            "name": "GitHub CONTAINER registry",
            "type": "CONTAINER",
            "url": "https://ghcr.io/octo",
            "vendor": "GitHub Inc",
        },
    }
    return changed(base, changes)


def version(**changes):
    base = {
        "id": 9,
        "version": D,
        "name": D,
        "description": "",
        "manifest": "",
        "metadata": [],
        "docker_metadata": [],
        "container_metadata": {
            "tag": {"name": "v1", "digest": D},
            "labels": {"description": "", "source": "", "all_labels": {}},
            "manifest": {"digest": D, "media_type": "application/vnd.oci.image.index.v1+json", "size": 1},
        },
        "package_files": [],
        "installation_command": "docker pull ghcr.io/octo/hello:v1",
        "package_url": "ghcr.io/octo/hello:v1",
    }
    return changed(base, changes)


def changed(base, changes):
    return {key: value for key, value in (base | changes).items() if value is not ...}


def body(event="package", inner=None, **changes):
    base = {
        "action": "published",
        event: package() if inner is None else inner,
        "repository": {"name": "hello", "full_name": "octo/hello", "owner": {"login": "octo"}},
        "sender": {"login": "octo"},
    }
    return json.dumps(changed(base, changes)).encode()
