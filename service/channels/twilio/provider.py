"""SMS and WhatsApp through Twilio's async client, which builds the requests and parses the answers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypedDict

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ConnectionTimeoutError,
)
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from service.channels.channel import Surroundings
from service.channels.http_answers import (
    DEFAULT_RETRY_AFTER_S,
    HttpRefusal,
    field_of,
    report_unknown_code,
    seconds_of,
)
from service.channels.port import OutgoingMessage, Provider, SendResult, chosen_sender
from service.channels.twilio.codes import BAD_REQUEST, FIRST_CODE, Kind, kind_of
from service.channels.twilio.senders import is_service
from service.channels.twilio.settings import TwilioAccount
from service.channels.twilio.transport import TwilioHttp
from service.channels.words import cleaned_text
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Refused, Transient

# Twilio allows 1 to 36,000 s (10 h); see the Messages resource, `ValidityPeriod`.
LONGEST_VALIDITY_S: Final = 36_000
TOO_MANY: Final = 429
UNAVAILABLE: Final = 503
LOOK_BACK: Final = timedelta(minutes=30)
LISTED_AT_MOST: Final = 50
# Twilio's maximum page size.
PRICES_A_PAGE: Final = 1000
# Final states that creating a message may return at once (Messages resource, "Message Status").
_FAILED: Final = frozenset({"failed", "undelivered", "canceled"})


class MessageParameters(TypedDict, total=False):
    """Parameters for creating a message, by the SDK's names (Twilio, Messages resource). `validity_period`: seconds."""

    to: str
    status_callback: str
    validity_period: int
    messaging_service_sid: str
    from_: str
    content_sid: str
    content_variables: str
    body: str


class TwilioProvider:
    """One account for one of the two channels. `place`: its index in a message's `senders`."""

    def __init__(
        self,
        account: TwilioAccount,
        channel: Literal["sms", "whatsapp"],
        http: TwilioHttp,
        timeout_s: float,
        place: int = 0,
    ) -> None:
        self.name = f"twilio:{account.account_sid[-6:]}"
        self._whatsapp = channel == "whatsapp"
        self._service = "" if self._whatsapp else account.messaging_service_sid
        self._from = f"whatsapp:{account.whatsapp_from}" if self._whatsapp else account.sms_from
        self.sender = account.whatsapp_from if self._whatsapp else self._service or account.sms_from
        self._http = http
        self.place = place
        self._timeout_s = timeout_s
        self._client = Client(account.account_sid, account.auth_token.get_secret_value(), http_client=http)
        # The SDK takes its base URL from its domain object; changing that is how it is redirected.
        self._client.api.base_url = account.base_url

    async def send(self, message: OutgoingMessage) -> SendResult:
        """POST Messages.json; returns Twilio's answer as a provider result."""
        w = message.window
        if w is not None and w.holds and not message.rendered.content_sid and not self._may_write(message):
            # Another account may be the one that the reader wrote to.
            return Permanent(self.name, "63016", "outside the window of 24 hours, without a template", "unable")
        try:
            created = await self._client.messages.create_async(**self.parameters(message))
            return _taken_as(self.name, created)
        except HttpRefusal as no:
            return result_of(self.name, no, message)
        except ClientConnectorCertificateError as error:
            return untrusted(self.name, error)
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return Transient(self.name, "connect", type(error).__name__)
        except (TimeoutError, ClientError, OSError) as error:
            return NoAnswer(self.name, type(error).__name__)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return NoAnswer(self.name, f"unreadable answer: {type(error).__name__}")

    def parameters(self, message: OutgoingMessage) -> MessageParameters:
        """The parameters that create the message, by the SDK's names."""
        prefix = "whatsapp:" if self._whatsapp else ""
        parameters: MessageParameters = {
            "to": prefix + message.address,
            "status_callback": message.callback_url,
            "validity_period": max(1, min(message.ttl_s, LONGEST_VALIDITY_S)),
        }
        chosen = chosen_sender(self, message)
        if is_service(chosen) or (not chosen and self._service):
            parameters["messaging_service_sid"] = chosen or self._service
        else:
            parameters["from_"] = prefix + chosen if chosen else self._from
        # Within the window the reader gets our own text, as the approved template may be outdated.
        if message.rendered.content_sid and not self._may_write(message):
            parameters["content_sid"] = message.rendered.content_sid
            if message.rendered.content_variables:
                parameters["content_variables"] = json.dumps(dict(message.rendered.content_variables))
        else:
            parameters["body"] = message.rendered.text
        return parameters

    def _may_write(self, message: OutgoingMessage) -> bool:
        """Whether the reader wrote to the sender of this message lately."""
        sender = chosen_sender(self, message) or self.sender
        return message.window is not None and sender in message.window.open_to

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Look for a recent message to this number with this text.

        Not filtered by date of sending, which a queued message does not have. A message from a content template may
        have another text at Twilio, so it is never certain to be missing.
        """
        prefix = "whatsapp:" if self._whatsapp else ""
        try:
            async with asyncio.timeout(self._timeout_s):
                listed = await self._client.messages.list_async(to=prefix + message.address, limit=LISTED_AT_MOST)
        except (HttpRefusal, TwilioException, ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError,
                AttributeError):  # fmt: skip
            return Lookup()
        since = datetime.now(UTC) - LOOK_BACK
        for made in listed:
            is_recent = made.date_created is None or made.date_created >= since
            if is_recent and made.body == message.rendered.text and made.sid and made.sid not in others:
                return Accepted(self.name, str(made.sid))
        return Lookup(missing=len(listed) < LISTED_AT_MOST and not message.rendered.content_sid)

    async def prices(self, since: datetime, until: datetime) -> Mapping[str, tuple[Decimal, str]]:
        """Prices from this account's list of messages; status callbacks lack them (Twilio, "Message resource").

        A price may come up to a day after its message (Twilio support, "Understanding SMS Message Fees").
        """
        found: dict[str, tuple[Decimal, str]] = {}
        try:
            listed = await self._client.messages.stream_async(
                date_sent_after=since, date_sent_before=until, page_size=PRICES_A_PAGE
            )
            async for made in listed:
                if made.sid and made.price and made.price_unit:
                    found[str(made.sid)] = abs(Decimal(made.price)), str(made.price_unit).upper()
        except (HttpRefusal, TwilioException, ClientError, OSError, TimeoutError, ArithmeticError, ValueError, KeyError,
                TypeError, AttributeError):  # fmt: skip
            return found
        return found

    async def close(self) -> None:
        """The HTTP client is shared; its creator closes it."""


def providers(
    accounts: Sequence[TwilioAccount], channel: Literal["sms", "whatsapp"], around: Surroundings
) -> list[Provider]:
    """One provider for each account, with a common pool of connections."""
    http = TwilioHttp(around.concurrent, around.timeout_s)
    around.closers.append(http.close)
    return [TwilioProvider(account, channel, http, around.timeout_s, place) for place, account in enumerate(accounts)]


def untrusted(provider: str, error: ClientConnectorCertificateError) -> Refused:
    """Nothing was sent: the server's certificate is not trusted. Waiting does not solve that."""
    detail = getattr(error.certificate_error, "verify_message", "") or type(error.certificate_error).__name__
    return Refused(provider, "tls", f"the provider's certificate is not trusted: {cleaned_text(str(detail))}")


def _taken_as(provider: str, created: Any) -> SendResult:
    """The result for a success status: accepted if it has an id, unless it names a failure at once."""
    sid = str(created.sid or "")
    if not sid:
        return NoAnswer(provider, "an answer without the message's sid")
    code = str(created.error_code or "")
    if str(created.status) in _FAILED and code.isdigit():
        no = HttpRefusal(BAD_REQUEST, json.dumps({"code": int(code), "message": str(created.error_message or "")}))
        return result_of(provider, no)
    return Accepted(provider, sid)


def result_of(provider: str, no: HttpRefusal, message: OutgoingMessage | None = None) -> SendResult:
    """Twilio's refusal as a provider result: by its code, else by HTTP status. Its text is kept for people."""
    body = no.json
    code_text = field_of(body, "code")
    code = int(code_text) if code_text.isascii() and code_text.isdigit() and len(code_text) < 9 else 0
    kind, is_known = kind_of(code, no.status, foreign=bool(no.text.strip()) and not body)
    if not is_known:
        report_unknown_code("twilio", str(code), no.status, kind)
    if kind == "unsure" and no.status == UNAVAILABLE and no.retry_after is not None:
        # Rejected with a time to come back (RFC 9110, §10.2.3 and §15.6.4).
        kind = "later"
    named = str(code) if code >= FIRST_CODE else str(no.status)
    in_words = cleaned_text(field_of(body, "message") or field_of(body, "detail") or ("" if body else no.text), message)
    return _in_our_words(provider, kind, named, in_words, no)


def _in_our_words(provider: str, kind: Kind, code: str, detail: str, no: HttpRefusal) -> SendResult:
    what = f"Twilio error {code}" if int(code) >= FIRST_CODE else f"HTTP {code}"
    words = f"{what}: {detail}" if detail else what
    match kind:
        case "us":
            return Refused(provider, code, detail or what)
        case "country":
            return Refused(provider, code, detail or what, "destination")
        case "later":
            pause = no.status == TOO_MANY or no.retry_after is not None
            wait = seconds_of(no.retry_after) if pause else 0.0
            return Transient(provider, code, words, wait or DEFAULT_RETRY_AFTER_S, pause)
        case "unsure":
            return NoAnswer(provider, words)
        case "opted_out":
            return Permanent(provider, code, words, "opted_out")
        case "address":
            return Permanent(provider, code, words, "bad_address")
        case "message":
            return Permanent(provider, code, words)
