"""A small simulated machine for tests and the demo: podman, systemd, the journal and a registry, with rules.

It is a `podup.host.run.Runner`: `Podman`, `Systemd` and `Journal` run on it unchanged. What it does, the
contract tests do on the real machine too. Faults are put in as state (`Fault`, `Machine.registry`,
`Machine.disk_free`), never by patching code. Read `parts` for the nouns, `physics` for the rules.
"""
