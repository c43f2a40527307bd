"""Sealing: what is sealed opens only with the right key, and only where it was put."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keyring import Keyring, Label, SealBroken
from service.ledger import tables
from service.ledger.columns import LABEL, metadata

OLD, NEW = "the secret key of last year, long", "the secret key of this year, long"
WHERE = Label("order.state").of(UUID(int=7))

assert tables.escalations.schedules.metadata is metadata


def unbound_ring(secret: str, previous: str = "") -> Keyring:
    """As beside an older release."""
    ring = Keyring(secret, previous)
    ring.use(fingerprint=ring.newest, root=None, writes_bound=False, refuses_unbound=False)
    return ring


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_where_it_was_put_and_nowhere_else(plain: bytes) -> None:
    ring = Keyring(NEW)
    sealed = ring.seal(plain, WHERE)
    assert ring.unseal(sealed, WHERE) == plain
    for elsewhere in (Label("order.state").of(UUID(int=8)), Label("notice.secret").of(UUID(int=7))):
        with pytest.raises(SealBroken):
            ring.unseal(sealed, elsewhere)


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_no_two_places_read_alike(one: list[str], other: list[str]) -> None:
    alike = Label("x").of(*one) == Label("x").of(*other)
    assert alike == (one == other)


def test_the_key_before_this_one_still_reads_and_nothing_else_does() -> None:
    sealed = Keyring(OLD).seal(b"x", WHERE)
    assert Keyring(NEW, OLD).unseal(sealed, WHERE) == b"x"
    assert not Keyring(NEW, OLD).is_current(sealed)
    with pytest.raises(SealBroken):
        Keyring(NEW).unseal(sealed, WHERE)


def test_what_is_on_its_way_and_what_is_looked_up_outlive_a_new_key() -> None:
    old, new = Keyring(OLD), Keyring(NEW)
    new.use(fingerprint=new.newest, root=old.root, writes_bound=True, refuses_unbound=True)
    token = old.token("track", UUID(int=1 << 64))
    assert new.unseal(old.seal_in_transit(b"x", WHERE), WHERE) == b"x"
    assert new.digest("person", "a") == old.digest("person", "a")
    assert new.read_token("track", token) == UUID(int=1 << 64)
    assert new.subkey("webhook x") == old.subkey("webhook x")
    assert new.session_keys("session") != old.session_keys("session"), "a session ends with the key that signed it"


def test_older_releases_seals_are_read_until_all_is_bound() -> None:
    sealed = unbound_ring(OLD).seal(b"x", WHERE)
    reader = Keyring(OLD)
    with pytest.raises(SealBroken):
        reader.unseal(sealed, WHERE)
    assert unbound_ring(OLD).unseal(sealed, WHERE) == b"x"
    assert reader.unseal_unbound(sealed) == b"x"


def test_every_sealed_column_has_a_label_of_its_own() -> None:
    columns = [c for table in metadata.tables.values() for c in table.columns if c.name.startswith("sealed_")]
    labels = [c.info[LABEL].name for c in columns]
    # Never renamed: what a label sealed would not open under another name.
    assert sorted(labels) == [
        "act.answer", "attachment.name", "audit.name", "cause.said", "conversation.agent", "escalation.detail", "hold.words", "inbox.event",
        "incident.owner", "kept_count.figures", "list.mapping", "list.row", "message.recipient", "message.words", "notice.secret", "notice.snapshot", "order.state",
        "preference.wishes", "reply.words", "schedule.target", "timeline.detail", "waiting.message", "word_draft.said",
    ]  # fmt: skip
