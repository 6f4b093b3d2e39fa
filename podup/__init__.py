"""Push-to-deploy for Linux hosts that run Podman containers under systemd."""

_archive = getattr(__spec__.loader if __spec__ else None, "archive", "")
if _archive:
    from podup.loader import install

    install(_archive)
