"""Stand-ins for Twilio, FCM and a mail relay, over real HTTP and SMTP; they record everything and can misbehave."""

import asyncio
import email
import email.policy
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.lost_answers import Losses
from tests.support.published import fcm_problems, twilio_problems
from tests.support.standin import StandIn

START_WITHIN_S = 60
ACCOUNT = "AC" + "0" * 32
TOKEN = "twilio-token-for-tests"
PROJECT = "stagebell-test"


@dataclass
class Sent:
    """A request to a provider. `channel`: sms, whatsapp or push."""

    channel: str
    to: str
    text: str
    form: dict[str, Any] = field(default_factory=dict)
    sid: str = ""


Behaviour = Callable[[Sent], Awaitable[web.StreamResponse | None]]


class Providers(StandIn):
    """Twilio and FCM on one port. `behave` may answer instead of the usual success."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.seen: list[Sent] = []
        self.requests: list[web.Request] = []
        self.behave: Behaviour | None = None
        self.losses = Losses()
        self.tokens_given = 0
        self.give_token: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.lists: list[dict[str, Any]] = []
        self.approvals: dict[str, dict[str, str]] = {}
        # The price of each message at Twilio.
        self.prices: dict[str, str | None] = {"price": None, "price_unit": "USD"}

    def routes(self) -> list[web.RouteDef]:
        """Twilio's messages, FCM's, and Google's tokens."""
        return [
            web.post("/2010-04-01/Accounts/{sid}/Messages.json", self._twilio),
            web.get("/2010-04-01/Accounts/{sid}/Messages.json", self._twilio_list),
            web.get("/v1/Content/{sid}/ApprovalRequests", self._approval),
            web.post("/v1/projects/{project}/messages:send", self._fcm),
            web.post("/token", self._token),
        ]

    async def start(self, folder: Path) -> None:
        """Listen, and write a service account's key file with this URL."""
        await self.listen()
        self.credentials = folder / "fcm.json"
        self.account = service_account(self.url)
        self.credentials.write_text(json.dumps(self.account))

    async def _answer(self, request: web.Request, sent: Sent, usual: dict[str, Any], status: int) -> web.StreamResponse:
        words = (sent.channel, sent.to, sent.text, str(sent.form.get("notification", "")))
        if self.losses.is_repeated(*words):
            return web.json_response(usual, status=status)
        self.seen.append(sent)
        self.requests.append(request)
        if self.behave is not None:
            answer = await self.behave(sent)
            if answer is not None:
                return answer
        self.sent.append(sent)
        if self.losses.loses(*words, settled=sent.channel != "push"):
            return self.reset(request)
        return web.json_response(usual, status=status)

    def reset(self, request: web.Request) -> web.StreamResponse:
        """Break the connection instead of answering."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _twilio(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"].startswith("Basic ")
        form = {k: str(v) for k, v in (await request.post()).items()}
        assert (wrong := twilio_problems(form)) == [], wrong
        to = form["To"]
        channel = "whatsapp" if to.startswith("whatsapp:") else "sms"
        sid = f"SM{len(self.seen):032d}"
        sent = Sent(channel, to.removeprefix("whatsapp:"), form.get("Body", ""), form, sid)
        return await self._answer(
            request, sent, {"sid": sid, "status": "queued", "to": to, "body": form.get("Body")}, 201
        )

    async def _approval(self, request: web.Request) -> web.StreamResponse:
        """Twilio, Content API: "Fetch template approval status"."""
        sid = request.match_info["sid"]
        if sid not in self.approvals:
            return web.json_response({"code": 20404, "message": "not found", "status": 404}, status=404)
        return web.json_response({"sid": sid, "whatsapp": {"type": "whatsapp", **self.approvals[sid]}, "url": "x"})

    async def _twilio_list(self, request: web.Request) -> web.StreamResponse:
        self.lists.append(dict(request.query))
        found = [
            {"sid": s.sid, "body": s.text, "to": s.form["To"], "status": "sent", "account_sid": ACCOUNT, **self.prices}
            for s in self.sent
            if "To" in s.form and request.query.get("To", s.form["To"]) == s.form["To"]
        ]
        self.losses.tell(request.query.get("To", "").removeprefix("whatsapp:"))
        page = {"messages": found, "page": 0, "page_size": 50, "uri": "", "next_page_uri": None, "first_page_uri": ""}
        return web.json_response(page)

    async def _fcm(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer fcm-access-token"
        body = await request.json()
        assert (wrong := fcm_problems(body)) == [], wrong
        message = body["message"]
        sent = Sent("push", message["token"], message["notification"]["body"], message)
        return await self._answer(request, sent, {"name": f"projects/{PROJECT}/messages/{len(self.seen)}"}, 200)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        grant = jwt.decode(str(form["assertion"]), _own_key(), algorithms=["RS256"])
        assert grant.claims["iss"] == self.account["client_email"]
        assert grant.claims["aud"] == self.account["token_uri"]
        assert 0 < grant.claims["exp"] - grant.claims["iat"] <= 3600
        if self.give_token is not None:
            return await self.give_token(request)
        self.tokens_given += 1
        return web.json_response({"access_token": "fcm-access-token", "expires_in": 3600, "token_type": "Bearer"})

    def of_seen(self, channel: str) -> list[Sent]:
        """The requests on a channel, answered or not, in sequence."""
        return [s for s in self.seen if s.channel == channel]

    def of(self, channel: str, to: str | None = None) -> list[Sent]:
        """The accepted messages on a channel, in sequence."""
        return [s for s in self.sent if s.channel == channel and to in (None, s.to)]


@cache
def _own_key() -> RSAKey:
    """One key for the whole run, as generating one takes longer than most tests."""
    return RSAKey.generate_key(2048)


def service_account(url: str) -> dict[str, str]:
    """The content of a key file with our token URL."""
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "test",
        "private_key": _own_key().as_pem(private=True).decode(),
        "client_email": f"sender@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }


@dataclass
class Mail:
    """An accepted mail."""

    sender: str
    to: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"])

    def part(self, kind: str) -> str:
        """The `plain` or `html` part."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())


class _Controller(Controller):
    """Listens on a free port, and waits for the start on slow machines."""

    def __init__(self, handler: object, **options: Any) -> None:
        super().__init__(handler, hostname="127.0.0.1", ready_timeout=START_WITHIN_S, **options)
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.port = self._listens.getsockname()[1]

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listens, ssl=self.ssl_context)


class Mailbox:
    """A mail relay. `refuse_rcpt` and `refuse_data` are SMTP answers instead of success."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuse_rcpt: Callable[[str], str | None] = lambda _to: None
        self.refuse_data: Callable[[str], str | None] = lambda _to: None
        self.losses = Losses()
        self.connections = 0
        self._controller: Controller | None = None

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        """RCPT TO."""
        refusal = self.refuse_rcpt(address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: Any
    ) -> Any:
        """Handle EHLO; once for each connection."""
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Handle the mail."""
        refusal = self.refuse_data(envelope.rcpt_tos[0])
        if refusal == "drop":
            return self._hang_up(server)
        if refusal:
            return refusal
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)  # type: ignore[arg-type]
        mail = Mail(str(envelope.mail_from), envelope.rcpt_tos[0], message)
        words = (mail.to, mail.subject, mail.part("plain"))
        if self.losses.is_repeated(*words):
            return "250 OK"
        self.mails.append(mail)
        # A report is repeated when its schedule says so, not at once.
        is_report = any(True for _ in message.iter_attachments())
        if not is_report and self.losses.loses(*words, settled=False):
            return self._hang_up(server)
        return "250 OK"

    def _hang_up(self, server: SMTP) -> str:
        assert server.transport is not None
        server.transport.close()
        return "451 nobody hears this"

    async def start(self, **options: Any) -> None:
        """Listen."""
        self._controller = _Controller(self, **options)
        await asyncio.to_thread(self._controller.start)

    @property
    def url(self) -> str:
        """The value for STAGEBELL_SMTP_URL."""
        assert self._controller is not None
        return f"smtp://127.0.0.1:{self._controller.port}"

    async def close(self) -> None:
        """Stop listening."""
        if self._controller:
            await asyncio.to_thread(self._controller.stop)
