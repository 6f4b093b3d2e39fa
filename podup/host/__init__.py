"""The only door to the managed machine: processes, podman, systemd, journal, compose."""
