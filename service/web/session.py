"""Desk sessions: a signed cookie, and a CSRF token."""

import hmac
import secrets
from hashlib import sha256
from typing import Final
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer
from msgspec import Struct

from service.domain.scopes import EVERYTHING, Scope
from service.keyring import Keyring
from service.ledger.access.sessions import LIFE

COOKIE: Final = "stagebell_session"
LIFE_S: Final = int(LIFE.total_seconds())


class Session(Struct, frozen=True):
    """A sign-in. `key_id`: the API key behind it, whose revocation ends it; None for OIDC. `role`: as it began.

    `scope`: as the ledger says; the cookie does not.
    """

    id: str
    name: str
    role: str
    key_id: UUID | None = None
    scope: Scope = EVERYTHING


def new_session_id() -> str:
    """An unguessable id (RFC 4086)."""
    return secrets.token_urlsafe(16)


class Sessions:
    """Creates and verifies session cookies."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        """The signer; built anew each time, as the signing key may have changed."""
        return URLSafeTimedSerializer(self._keyring.session_keys("session"), salt="desk")

    def issue(self, s: Session) -> str:
        """A new session's cookie value."""
        payload = {"i": s.id, "n": s.name, "r": s.role, "k": s.key_id.hex if s.key_id else ""}
        return str(self._serializer.dumps(payload))

    def read(self, cookie: str) -> Session | None:
        """The session, if the cookie is ours and has not expired."""
        try:
            payload = self._serializer.loads(cookie, max_age=LIFE_S)
            return Session(payload["i"], payload["n"], payload["r"], UUID(payload["k"]) if payload["k"] else None)
        except (BadSignature, KeyError, TypeError, ValueError):
            return None

    def csrf_token(self, session_id: str) -> str:
        """The token that forms and scripts of our pages send along."""
        return _csrf_token(self._keyring.session_keys("csrf")[-1], session_id)

    def csrf_fits(self, session_id: str, token: str) -> bool:
        """Whether the token is this session's."""
        sent = token.encode(errors="surrogateescape")
        keys = self._keyring.session_keys("csrf")
        return any(hmac.compare_digest(_csrf_token(k, session_id).encode(), sent) for k in keys)

    def sign(self, value: object, purpose: str) -> str:
        """A short-lived signed value, such as the state of a sign-in."""
        return str(self._serializer.dumps(value, salt=purpose))

    def unsign(self, text: str, purpose: str, max_age_s: int) -> object | None:
        """The signed value; None for a wrong or an expired signature."""
        try:
            value: object = self._serializer.loads(text, salt=purpose, max_age=max_age_s)
        except (BadSignature, ValueError):
            return None
        return value


def _csrf_token(key: str, session_id: str) -> str:
    return hmac.new(key.encode(), session_id.encode(), sha256).hexdigest()
