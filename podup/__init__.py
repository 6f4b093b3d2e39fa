"""Push-to-deploy for Linux hosts that run Podman containers under systemd."""
