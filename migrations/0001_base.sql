-- oldest-reader: 0.1.0
-- Times are Unix seconds, digests `sha256:...`, lists and objects JSON. `target` is a unit, or `stack:NAME`.

-- One row a task; its steps and output stay in STATE/tasks/ID.jsonl. A batch is a parent row with children.
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    params TEXT NOT NULL DEFAULT '{}',
    locks TEXT NOT NULL DEFAULT '[]',
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'succeeded', 'planned',
        'failed', 'rolled_back', 'cancelled', 'skipped', 'interrupted', 'unknown')),
    code TEXT NOT NULL DEFAULT '',
    summary TEXT NOT NULL DEFAULT '',
    dry_run INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT '',
    path TEXT NOT NULL DEFAULT '',
    caller TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    unit TEXT NOT NULL DEFAULT '',
    image TEXT NOT NULL DEFAULT '',
    before_digest TEXT NOT NULL DEFAULT '',
    after_digest TEXT NOT NULL DEFAULT '',
    phase TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    not_before REAL NOT NULL DEFAULT 0,
    parent_id TEXT NOT NULL DEFAULT '',
    retry_of TEXT NOT NULL DEFAULT '',
    stop_requested_at REAL,
    force_stop_requested_at REAL,
    CHECK ((finished_at IS NULL) = (status IN ('pending', 'running')))
);
CREATE INDEX tasks_list ON tasks (created_at, status, kind, unit, caller, source, parent_id);
CREATE INDEX tasks_alive ON tasks (status, seq, not_before, kind, unit) WHERE finished_at IS NULL;
CREATE INDEX tasks_children ON tasks (parent_id, status) WHERE parent_id <> '';
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;

-- The inbox. The same thing is found by delivery id or by body hash within three days.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    received_at REAL NOT NULL,
    target TEXT NOT NULL,
    delivery_id TEXT NOT NULL DEFAULT '',
    body_hash TEXT NOT NULL,
    sender TEXT NOT NULL DEFAULT 'github',
    event TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL DEFAULT '',
    image TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    digest TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    rules TEXT NOT NULL DEFAULT '[]',
    request_id TEXT NOT NULL DEFAULT '',
    task_id TEXT NOT NULL DEFAULT '',
    task_status TEXT NOT NULL DEFAULT '',
    replay_of TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_by_id ON deliveries (delivery_id, target, received_at) WHERE delivery_id <> '';
CREATE INDEX deliveries_by_body ON deliveries (body_hash, target, received_at);
CREATE INDEX deliveries_list ON deliveries (received_at, outcome, target);
CREATE INDEX deliveries_target ON deliveries (target, received_at, outcome);
CREATE INDEX deliveries_task ON deliveries (task_id) WHERE task_id <> '';

-- Tasks are forgotten sooner than deliveries: how they ended stays with the delivery.
CREATE TRIGGER deliveries_keep_ending AFTER UPDATE OF finished_at ON tasks WHEN new.finished_at IS NOT NULL
BEGIN
    UPDATE deliveries SET task_status = new.status WHERE task_id = new.id AND task_id <> '';
END;

CREATE TABLE event_log (
    id INTEGER PRIMARY KEY,
    ts REAL NOT NULL,
    request_id TEXT NOT NULL DEFAULT '',
    method TEXT NOT NULL DEFAULT '',
    path TEXT NOT NULL DEFAULT '',
    status INTEGER NOT NULL DEFAULT 0,
    action TEXT NOT NULL DEFAULT '',
    duration_ms INTEGER NOT NULL DEFAULT 0,
    meta TEXT NOT NULL DEFAULT '{}',
    task_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX event_log_ts ON event_log (ts);
CREATE INDEX event_log_status ON event_log (status, ts, action);
CREATE INDEX event_log_action ON event_log (action, ts, status);
CREATE INDEX event_log_path ON event_log (path, ts, status, action);
CREATE INDEX event_log_request ON event_log (request_id);
CREATE INDEX event_log_task ON event_log (task_id) WHERE task_id <> '';

-- What would fill the disk in a flood is counted: one row a minute (Unix seconds / 60) and kind.
CREATE TABLE event_counts (
    minute INTEGER NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (minute, kind)
) WITHOUT ROWID;

-- Units found on this machine.
CREATE TABLE services (
    unit TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    source TEXT NOT NULL,
    image TEXT NOT NULL DEFAULT '',
    running_digest TEXT NOT NULL DEFAULT '',
    remote_digest TEXT NOT NULL DEFAULT '',
    update_state TEXT NOT NULL DEFAULT 'unknown',
    update_reason TEXT NOT NULL DEFAULT '',
    newer_tag TEXT NOT NULL DEFAULT '',
    health TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '{}',
    found_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    checked_at REAL
) WITHOUT ROWID;
CREATE INDEX services_slug ON services (slug);

-- A unit or stack that could neither be upgraded nor taken back.
CREATE TABLE needs_operator (
    target TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    task_id TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL
) WITHOUT ROWID;

-- Our own clock for the cool-down: when a digest was first seen behind an image reference.
CREATE TABLE digests (
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL,
    PRIMARY KEY (image, digest)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    target TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL,
    task_id TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL,
    released_at REAL,
    released_by TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (target, digest)
) WITHOUT ROWID;

-- An empty target freezes everything.
CREATE TABLE freezes (
    target TEXT PRIMARY KEY,
    reason TEXT NOT NULL DEFAULT '',
    caller TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE rate_hits (
    bucket TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX rate_hits_bucket ON rate_hits (bucket, at);

-- What a task holds while it runs (`unit:...`, `image:...`, `stack:...`). The process is known once it runs.
CREATE TABLE image_locks (
    bucket TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    pid INTEGER NOT NULL DEFAULT 0,
    start_time INTEGER NOT NULL DEFAULT 0,
    boot_id TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_locks_owner ON image_locks (owner);

-- Secrets are kept as SHA-256 only.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    last_used_at REAL,
    revoked_at REAL
) WITHOUT ROWID;

-- What was deployed where, kept longer than the tasks that did it.
CREATE TABLE deployments (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT '',
    image TEXT NOT NULL DEFAULT '',
    from_digest TEXT NOT NULL DEFAULT '',
    to_digest TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    task_id TEXT NOT NULL DEFAULT '',
    finished_at REAL NOT NULL,
    duration_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX deployments_target ON deployments (target, finished_at, outcome);
CREATE INDEX deployments_finished ON deployments (finished_at, outcome);
CREATE INDEX deployments_task ON deployments (task_id);

CREATE TABLE stack_history (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    stack TEXT NOT NULL,
    env TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL,
    version TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL,
    notes TEXT NOT NULL DEFAULT '',
    task_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX stack_history_stack ON stack_history (stack, at);
CREATE INDEX stack_history_at ON stack_history (at);

-- Messages to send. `dedupe_key` names the thing they are about.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    dedupe_key TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL,
    created_at REAL NOT NULL,
    next_try_at REAL,
    tries INTEGER NOT NULL DEFAULT 0,
    sent_at REAL,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (next_try_at) WHERE next_try_at IS NOT NULL;

-- Repeated failures of one thing are one message, and one more when it is well again.
CREATE TABLE incidents (
    key TEXT PRIMARY KEY,
    opened_at REAL NOT NULL,
    last_at REAL NOT NULL,
    count INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE schedule (
    name TEXT PRIMARY KEY,
    last_at REAL NOT NULL,
    next_at REAL,
    note TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
