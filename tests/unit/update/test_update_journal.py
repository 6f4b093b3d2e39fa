import json

import pytest

from podup.update import journal
from podup.update.journal import Backup, Build, Damaged, Record
from podup.update.states import State

RECORD = Record(
    txid="tx1",
    state=State.REQUESTED,
    before=Build("1.0.0", "a" * 64, 1),
    after=Build("1.1.0", "b" * 64, 2),
    backup=Backup("x.bak", "c" * 64),
    actor="timer",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "UPDATE_LOCK.json"


def test_what_is_written_is_read(path):
    written = journal.store(path, RECORD)
    assert journal.load(path) == written
    assert written.seq == 1
    body = json.loads(path.read_bytes())
    assert (body["schema"], body["from"]["version"], body["to"]["version"]) == (1, "1.0.0", "1.1.0")


def test_none_when_there_is_no_transaction(path):
    assert journal.load(path) is None


def test_only_steps_of_the_table_can_be_taken(path):
    record = journal.store(path, RECORD)
    with pytest.raises(ValueError, match="no step from requested to trial"):
        journal.advance(path, record, State.TRIAL)
    staged = journal.advance(path, record, State.STAGED, reason="x")
    assert (staged.seq, staged.state, staged.reason) == (2, State.STAGED, "x")


def test_a_transaction_cannot_end_on_trial(path):
    with pytest.raises(ValueError, match="cannot end"):
        journal.end(path, Record("tx", State.TRIAL, RECORD.before, RECORD.after))


def test_a_later_schema_may_add_keys(path):
    journal.store(path, RECORD)
    body = json.loads(path.read_bytes())
    body.pop("checksum")
    body |= {"schema": 2, "colour": "blue"}
    path.write_text(json.dumps({**body, "checksum": journal._checksum(body)}))
    assert isinstance(journal.load(path), Record)


DAMAGE = {
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "one letter off": lambda data: data.replace(b"1.1.0", b"1.1.1"),
    "not an object": lambda data: b"[]",
    "no checksum": lambda data: b"{}",
    "huge": lambda data: data + b" " * (300 * 1024),
    "nested": lambda data: b"[" * 100_000,
    "not text": lambda data: b"\xff\xfe\x00",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_journal_is_said_to_be_one(path, damage):
    journal.store(path, RECORD)
    path.write_bytes(damage(path.read_bytes()))
    assert isinstance(journal.load(path), Damaged)
    aside = journal.set_aside(path)
    assert aside.exists() and not path.exists()
