"""Twilio's callbacks: receipts and inbound messages. They are signed by Twilio; anything else is refused."""

import re
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import structlog
from aiohttp import web
from twilio.request_validator import RequestValidator

from service import conversations, opt_outs
from service.canonical import spellings
from service.channels.twilio.settings import TwilioAccount
from service.conversations import IncomingReply, legible, with_files
from service.dispatch.compose import CALLBACK_PURPOSE
from service.dispatch.settle import Outcome
from service.domain.control_characters import one_line
from service.domain.notices import Receipt
from service.ledger.messages import states as rows
from service.opt_out_words import Wish, is_answer, wish_of
from service.telemetry import metrics
from service.web.context import CONTEXT
from service.web.params import Form, form_of, whole_number
from service.web.problems import Problem

log = structlog.get_logger(__name__)

# Source: Twilio, "Message status values". "partially_delivered": some parts of the message are still on their way.
STATUSES: Final = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "undelivered",
    "failed": "undelivered",
    "canceled": "undelivered",
}
# Source: Twilio, "OptOutType" of Advanced Opt-Out: Twilio has read the words by the account's own list.
OPT_OUT_TYPES: Final[Mapping[str, Wish | None]] = {"STOP": "stop", "START": "start", "HELP": None}
# Twilio, "Messaging webhooks", `Body`: up to 1,600 characters.
LONGEST_TEXT: Final = 1600
MOST_FILES: Final = 100
EMPTY_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


async def twilio_status(request: web.Request) -> web.StreamResponse:
    """Take a receipt; replayed and out-of-order ones do no harm."""
    form, _ = await _signed(request)
    context = request.app[CONTEXT]
    message_id = context.orders.keyring.read_token(CALLBACK_PURPOSE, request.query.get("n", ""))
    reported = form.get("MessageStatus", form.get("SmsStatus", "")).lower()
    if message_id is None:
        raise Problem(403, "Refused", "this callback address was not issued by this installation")
    if not reported:
        raise Problem(400, "Not readable", "MessageStatus is missing")
    status = STATUSES.get(reported)
    if status is None:
        # Twilio adds values without notice: accept one that we do not know, as sending it again would not help.
        word = reported if re.fullmatch("[a-z_]{1,32}", reported) else "not a word"
        log.warning("receipt.unknown_status", message_id=str(message_id), status=word)
        metrics.receipts.labels("", "unknown").inc()
        return web.Response(status=204)
    async with context.orders.ledger.reading() as tx:
        stored = await rows.find(tx, message_id)
    if stored is None:
        return web.Response(status=204)
    receipt = Receipt(status, one_line(form.get("MessageSid", ""))[:64], one_line(form.get("ErrorCode", ""))[:16])  # type: ignore[arg-type]
    await context.settler.write([Outcome(message_id, stored.message.order_id, receipt)])
    metrics.receipts.labels(stored.message.channel, status).inc()
    return web.Response(status=204)


async def twilio_inbound(request: web.Request) -> web.StreamResponse:
    """Take a message from a person; STOP ends messages to them on that channel, START resumes them.

    An opt-out is of the person, whatever our sender.
    """
    form, _ = await _signed(request)
    context = request.app[CONTEXT]
    channel, person = _sender(form.get("From", ""))
    if not channel:
        # RCS, Messenger: we send nothing there, so there is nothing to end.
        log.info("inbound.unsupported_channel")
        return web.Response(text=EMPTY_TWIML, content_type="text/xml")
    more = [w for pack in context.orders.packs for w in pack.workflow.opt_out_words]
    senders = {form.get("To", "").removeprefix("whatsapp:"), form.get("MessagingServiceSid", "")} - {""}
    opt_out_type = form.get("OptOutType", "").strip().upper()
    wish = (
        OPT_OUT_TYPES[opt_out_type] if opt_out_type in OPT_OUT_TYPES else wish_of(form.get("Body", ""), channel, more)
    )
    if wish == "stop":
        await opt_outs.stop(context.orders, channel, person, senders, "they wrote so")
    elif wish == "start" and not await opt_outs.start(context.orders, channel, person, "they wrote so"):
        # "Yes" opts back in whoever has opted out; from anybody else it is an answer.
        wish = None if is_answer(form.get("Body", "")) else wish
    if wish:
        log.info("opt_out.changed", channel=channel, stopped=wish == "stop")
    await _keep(request, form, channel, person, senders, wish)
    return web.Response(text=EMPTY_TWIML, content_type="text/xml")


async def _keep(
    request: web.Request, form: Form, channel: str, person: str, senders: set[str], wish: Wish | None
) -> None:
    """Pass the message to its order. A word that ends or resumes messages may be a reply as well (bare CANCEL)."""
    sid = one_line(form.get("MessageSid", ""))[:64]
    payload = one_line(_tapped(form))[:64]
    words = form.get("Body", "") or form.get("ButtonText", "") or form.get("ListTitle", "") or payload
    files = whole_number(form.get("NumMedia", ""), 1, MOST_FILES) or 0
    incoming = IncomingReply(
        key=f"twilio:{sid or uuid4().hex}",
        channel=channel,
        address=person,
        text=with_files(legible(f"{words}\n{_place(form)}", LONGEST_TEXT), files),
        payload=payload,
        senders=tuple(sorted(senders)),
        thread=one_line(form.get("OriginalRepliedMessageSid", ""))[:64],
        opted_out=wish == "stop",
        only_known=wish is not None,
    )
    await conversations.take(request.app[CONTEXT].orders, incoming)


def _tapped(form: Form) -> str:
    """The payload of the quick-reply button or list entry that was tapped (Twilio, "ButtonPayload", "ListId")."""
    return form.get("ButtonPayload", "") or form.get("ListId", "")


def _place(form: Form) -> str:
    """A shared location; such a message has no text (Twilio, "WhatsApp-specific parameters")."""
    at = ", ".join(filter(None, (form.get("Latitude", ""), form.get("Longitude", ""))))
    named = [form.get(name, "") for name in ("Label", "Address")]
    return " ".join(filter(None, (*named, f"[{at}]" if at else "")))


def _sender(text: str) -> tuple[str, str]:
    """The sender's channel (empty for one that we do not use) and canonical number; raises Problem without a sender."""
    scheme, _, number = text.strip().rpartition(":")
    if not number:
        raise Problem(400, "Not readable", "From is missing")
    if scheme.lower() not in ("", "whatsapp"):
        return "", ""
    # Short codes and alphanumeric senders are not phone numbers, and stay as they are.
    return scheme.lower() or "sms", spellings(number)[-1]


async def _signed(request: web.Request) -> tuple[Form, TwilioAccount]:
    """The form, if Twilio signed it for PUBLIC_URL with the token of one of our accounts; raises Problem."""
    settings = request.app[CONTEXT].settings
    signature = request.headers.get("X-Twilio-Signature", "")
    form = await form_of(request)
    url = f"{settings.public_url}{request.raw_path}"
    if not url.isascii():
        raise Problem(403, "Refused", "the address is not one of ours")
    for account in settings.twilio_accounts():
        validator = RequestValidator(account.auth_token.get_secret_value())
        if signature and validator.validate(url, form, signature):
            return form, account
    raise Problem(403, "Refused", "X-Twilio-Signature does not match this address and body; see PUBLIC_URL")
