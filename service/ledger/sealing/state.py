"""The ledger's key state: which SECRET_KEY seals, in which form, and the sealed root key.

It is stored in `meta`, and every process reads it every few seconds, so that a new key, or the bound form of seals,
is used by all without a restart:

* `secret_key_fingerprint`: of the SECRET_KEY that seals
* `root_key`: the root key, sealed with it
* `seal_form`: `unbound` while a release that knows no other may still run; `mixed`: bound seals are written, others
  still read; `bound`: others are refused
* `seals_under`: fingerprints of all keys that something may still be sealed with
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from sqlalchemy import select

from service.keyring import Keyring, Label, SealBroken
from service.ledger.database.sets import upsert
from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction
from service.ledger.database.upgrading import SchemaError
from service.ledger.orders.tables import orders

FINGERPRINT: Final = "secret_key_fingerprint"
ROOT: Final = "root_key"
FORM: Final = "seal_form"
UNDER: Final = "seals_under"
UNBOUND: Final = "unbound"
MIXED: Final = "mixed"
BOUND: Final = "bound"
_ROOT_KEY: Final = Label("meta.root_key")
_WHAT_TO_DO: Final = (
    "nothing sealed could be read. Set the one it was written with; to change it, set the new one as"
    " STAGEBELL_SECRET_KEY and the old one as STAGEBELL_SECRET_KEY_PREVIOUS"
)


class WrongKey(SchemaError):
    """The database was written with another SECRET_KEY, so that nothing sealed could be read."""


class KeyState(Struct, frozen=True):
    """The keys and the form with which the ledger is sealed."""

    fingerprint: str
    form: str
    under: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        """Whether everything is sealed with one key, in the bound form."""
        return self.form == BOUND and self.under == (self.fingerprint,)


async def settle_keys(
    tx: Transaction,
) -> KeyState:
    """Apply the ledger's key state; initialise it if the ledger is new or older than the root key. Raises WrongKey."""
    known = await _known(tx)
    if ROOT not in known:
        is_new = FINGERPRINT not in known and (await tx.execute(select(orders.c.id).limit(1))).first() is None
        known |= _first_state(tx.keyring, known, is_new=is_new)
        await write_state(tx, known)
    return _use(tx.keyring, known)


async def apply_state(
    tx: Transaction,
) -> KeyState:
    """Apply the ledger's present key state; raises WrongKey."""
    return _use(tx.keyring, await _known(tx))


async def write_state(tx: Transaction, values: Mapping[str, str]) -> None:
    """Set these keys of `meta`."""
    rows = [{"key": key, "value": value} for key, value in values.items()]
    await upsert(tx, meta, rows, ("value",), ("key",))


async def begin_bound(
    tx: Transaction,
) -> KeyState:
    """Start writing bound seals; only when every running process can read them."""
    known = await _locked(tx)
    if known[FORM] == UNBOUND:
        await write_state(tx, {FORM: MIXED})
    return await apply_state(tx)


async def begin_key(
    tx: Transaction,
) -> KeyState:
    """Start sealing with the configured SECRET_KEY; only when every running process knows it."""
    known = await _locked(tx)
    _use(tx.keyring, known)
    under = dict.fromkeys([tx.keyring.newest, *known[UNDER].split()])
    tx.keyring.use(
        fingerprint=tx.keyring.newest,
        root=tx.keyring.root,
        writes_bound=tx.keyring.writes_bound,
        refuses_unbound=tx.keyring.refuses_unbound,
    )
    await write_state(tx, {FINGERPRINT: tx.keyring.newest, ROOT: sealed_root(tx.keyring), UNDER: " ".join(under)})
    return await apply_state(tx)


async def settle(tx: Transaction, state: KeyState) -> KeyState:
    """Note that everything is sealed as this state says, unless the state changed meanwhile."""
    known = await _locked(tx)
    if (known[FINGERPRINT], known[FORM]) == (state.fingerprint, state.form) and known[UNDER].split() == [*state.under]:
        await write_state(tx, {FORM: BOUND, UNDER: state.fingerprint})
    return await apply_state(tx)


def sealed_root(keyring: Keyring) -> str:
    """The root key as stored in `meta`, sealed with the present key."""
    return keyring.seal_bound(keyring.root, _ROOT_KEY.of()).hex()


_KNOWN: Final = select(meta.c.key, meta.c.value).where(meta.c.key.in_([FINGERPRINT, ROOT, FORM, UNDER]))


async def _known(tx: Transaction) -> dict[str, str]:
    return {row.key: row.value for row in await tx.execute(_KNOWN)}


async def _locked(tx: Transaction) -> dict[str, str]:
    """Like `_known`, locked until this transaction ends."""
    rows = await tx.execute(_KNOWN.order_by(meta.c.key).with_for_update())
    return {row.key: row.value for row in rows}


def _first_state(keyring: Keyring, known: Mapping[str, str], *, is_new: bool) -> dict[str, str]:
    """A new ledger gets a random root key; an older one keeps the key that its digests depend on."""
    fingerprint = known.get(FINGERPRINT, keyring.newest)
    if fingerprint not in keyring.fingerprints:
        raise WrongKey(f"STAGEBELL_SECRET_KEY is not the one this database was written with; {_WHAT_TO_DO}")
    keyring.use(fingerprint=fingerprint, root=None, writes_bound=is_new, refuses_unbound=is_new)
    if is_new:
        keyring.make_root()
    form = BOUND if is_new else UNBOUND
    return {FINGERPRINT: fingerprint, ROOT: sealed_root(keyring), FORM: form, UNDER: fingerprint}


def _use(keyring: Keyring, known: Mapping[str, str]) -> KeyState:
    state = KeyState(known[FINGERPRINT], known[FORM], tuple(known[UNDER].split()))
    if state.fingerprint not in keyring.fingerprints:
        raise WrongKey(f"STAGEBELL_SECRET_KEY is not the one this database was written with; {_WHAT_TO_DO}")
    if any(f not in keyring.fingerprints for f in state.under):
        raise WrongKey(
            "STAGEBELL_SECRET_KEY_PREVIOUS is still needed: a part of the database is sealed with it. Set it, run"
            " `stagebell keys rotate`, and wait until that says that it may be removed"
        )
    try:
        root = keyring.unseal(bytes.fromhex(known[ROOT]), _ROOT_KEY.of())
    except (SealBroken, ValueError):
        raise WrongKey(f"the root key in `meta` cannot be opened with STAGEBELL_SECRET_KEY; {_WHAT_TO_DO}") from None
    keyring.use(
        fingerprint=state.fingerprint,
        root=root,
        writes_bound=state.form != UNBOUND,
        refuses_unbound=state.form == BOUND,
    )
    return state
