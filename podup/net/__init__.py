"""Outbound network: HTTP, registries, releases, notification channels."""
