"""What mails that came in report: reports by the standards, those that programs write without, and everything else."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mail_in.reports import DeliveryReport, read


def dsn(action: str, status: str, diagnostic: str = "smtp; 550 no such user", **more: str) -> bytes:
    fields = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in more.items())
    return (
        "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nYour mail came back.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; asha@example.com\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: {diagnostic}\r\n{fields}\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Your order\r\n\r\n--b--\r\n"
    ).encode()


def arf(kind: str) -> bytes:
    return (
        "From: feedback@provider.example\r\nSubject: FW: Your order\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nAn abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: Provider/1.0\r\nVersion: 1\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Your order\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


def plain(subject: str, text: str, **headers: str) -> bytes:
    more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    return f"From: x@mx.example\r\nSubject: {subject}\r\n{more}\r\n{text}\r\n".encode()


@pytest.mark.parametrize(
    ("mail", "report", "permanent"),
    [
        (dsn("failed", "5.1.1"), DeliveryReport("bounced", "5.1.1"), True),
        (dsn("Failed", "5.0.0 (undefined)"), DeliveryReport("bounced", "5.0.0"), True),
        (dsn("failed", "5.2.1"), DeliveryReport("bounced", "5.2.1"), True),
        (dsn("failed", "5.2.2"), DeliveryReport("bounced", "5.2.2"), False),
        (dsn("failed", "5.7.1"), DeliveryReport("bounced", "5.7.1"), False),
        (dsn("failed", "5.6.1"), DeliveryReport("bounced", "5.6.1"), False),
        (dsn("failed", "4.4.1"), DeliveryReport("bounced", "4.4.1"), False),
        (dsn("failed", "", "smtp; 550 5.1.10 null MX"), DeliveryReport("bounced", "5.1.10"), True),
        # Exim writes 5.0.0 whatever happened; what the server said stands beside it.
        (
            dsn("failed", "5.0.0", "smtp; 550-5.7.26 Unauthenticated email"),
            DeliveryReport("bounced", "5.7.26", True, words="Unauthenticated email"),
            False,
        ),
        (dsn("failed", "5.0.0", "smtp; 552 5.2.2 mailbox full"), DeliveryReport("bounced", "5.2.2"), False),
        (dsn("failed", "5.0.0", "smtp; 550 5.1.1 unknown"), DeliveryReport("bounced", "5.1.1"), True),
        (
            dsn("failed", "5.0.0", "smtp; 550 Your IP is blocked"),
            DeliveryReport("bounced", "5.0.0", True, words="Your IP is blocked"),
            False,
        ),
        (
            dsn("failed", "5.1.8", "smtp; 550 5.1.8 bad outbound sender"),
            DeliveryReport("bounced", "5.1.8", True, words="bad outbound sender"),
            False,
        ),
        (dsn("failed", "5.4.5", "daily quota"), DeliveryReport("bounced", "5.4.5", True, words="daily quota"), False),
        # A policy is about us, but where it is the mailbox's own, or met this one mail.
        (
            dsn("failed", "5.7.1", "smtp; 550 5.7.1 likely unsolicited mail from 192.0.2.17, see mail a@b.example"),
            DeliveryReport("bounced", "5.7.1", True, words="likely unsolicited mail from …, see mail …"),
            False,
        ),
        (
            dsn(
                "failed", "5.7.1", "smtp; 550-5.7.1 this message is\r\n 550-5.7.1 likely unsolicited\r\n 550 5.7.1 mail"
            ),
            DeliveryReport("bounced", "5.7.1", True, words="this message is likely unsolicited 550 mail"),
            False,
        ),
        (dsn("failed", "5.7.509", "smtp; 550 no"), DeliveryReport("bounced", "5.7.509", True, words="no"), False),
        (dsn("failed", "5.7.124", "smtp; 550 sender not in list"), DeliveryReport("bounced", "5.7.124"), False),
        (dsn("failed", "5.7.1", "smtp; 554 5.7.1 virus found"), DeliveryReport("bounced", "5.7.1"), False),
        (dsn("failed", "4.7.1", "smtp; 451 4.7.1 Greylisting in action"), DeliveryReport("bounced", "4.7.1"), False),
        (
            dsn("failed", "4.7.650", "smtp; 421 4.7.650 rate limited due to IP reputation"),
            DeliveryReport("bounced", "4.7.650", True, words="rate limited due to IP reputation"),
            False,
        ),
        (dsn("failed", "5.4.7", "smtp; timed out"), DeliveryReport("bounced", "5.4.7"), False),
        (dsn("failed", "5.4.6", "smtp; loop"), DeliveryReport("bounced", "5.4.6"), False),
        (dsn("failed", "5.4.4", "smtp; host not found"), DeliveryReport("bounced", "5.4.4"), True),
        (dsn("failed", "5.5.0", "smtp;550 5.5.0 mailbox unavailable"), DeliveryReport("bounced", "5.5.0"), True),
        # RFC 6533: reports of addresses beyond ASCII, as they are or encoded.
        (
            dsn("failed", "5.1.1").replace(b"message/delivery-status", b"message/global-delivery-status"),
            DeliveryReport("bounced", "5.1.1"),
            True,
        ),
        (
            b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.b64encode(b"Reporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1\n"),
            DeliveryReport("bounced", "5.1.1"),
            True,
        ),
        # Absence notices talk of mail that is not delivered, too.
        (
            plain("Automatic reply: Your order", "Mail could not be delivered to my desk"),
            DeliveryReport("automatic"),
            False,
        ),
        (
            plain("Out of office", "Mail will not be delivered to my phone until 550 days"),
            DeliveryReport("automatic"),
            False,
        ),
        (plain("Hello", "my parcel could not be delivered"), DeliveryReport("other"), False),
        (
            plain("failure notice", "<a@b>:\nRemote host said: 554 Your IP is blocked by spamhaus"),
            DeliveryReport("bounced", "5.0.0", True, words="Your IP is blocked by spamhaus"),
            False,
        ),
        (dsn("", "5.1.1"), DeliveryReport("bounced", "5.1.1"), True),
        (dsn("delayed", "4.4.1"), DeliveryReport("delayed", "4.4.1"), False),
        (dsn("delivered", "2.0.0"), DeliveryReport("delivered", "2.0.0"), False),
        (dsn("relayed", "2.0.0"), DeliveryReport("other"), False),
        (dsn("expanded", "2.0.0"), DeliveryReport("other"), False),
        (arf("abuse"), DeliveryReport("complaint"), False),
        (arf("opt-out"), DeliveryReport("complaint"), False),
        (arf("fraud"), DeliveryReport("complaint"), False),
        (arf("not-spam"), DeliveryReport("other"), False),
        (
            plain("failure notice", "Hi. This is the qmail-send program.\n<asha@example.com>:\n550 5.1.1 no such user"),
            DeliveryReport("bounced", "5.1.1"),
            True,
        ),
        (
            plain(
                "Mail delivery failed: returning message to sender",
                "550 Unrouteable address",
                X_Failed_Recipients="a@b.example",
                Auto_Submitted="auto-replied",
            ),
            DeliveryReport("bounced", "5.0.0"),
            True,
        ),
        (
            plain("Warning: message delayed 24 hours", "could not be delivered yet: 451 4.7.1 later"),
            DeliveryReport("delayed", "4.7.1"),
            False,
        ),
        (plain("Out of office", "I am away.", Auto_Submitted="auto-replied"), DeliveryReport("automatic"), False),
        (plain("Re: Your order", "Thank you!"), DeliveryReport("other"), False),
        (b"", DeliveryReport("other"), False),
        (b"\xff\xfe\x00", DeliveryReport("other"), False),
        (b"Content-Type: multipart/report\r\n\r\nnothing", DeliveryReport("other"), False),
    ],
)
def test_what_a_mail_reports(mail: bytes, report: DeliveryReport, permanent: bool) -> None:
    assert read(mail, is_bounce_address=True) == report
    assert report.is_permanent is permanent


def forwarded(*recipients: tuple[str, str, str]) -> bytes:
    """A report of several recipients: address, action, status."""
    groups = "\r\n\r\n".join(f"Final-Recipient: {a}\r\nAction: {b}\r\nStatus: {c}" for a, b, c in recipients)
    head = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
    return head + groups.encode() + b"\r\n"


@pytest.mark.parametrize(
    ("mail", "report"),
    [
        # What became of a copy that the reader sends on elsewhere is no matter of ours.
        (
            forwarded(("rfc822; asha@example.com", "delivered", "2.1.5"), ("rfc822; asha@home.example", "failed", "5.1.1")),
            DeliveryReport("delivered", "2.1.5"),
        ),
        (
            forwarded(("rfc822;<Asha@Example.COM>", "failed", "5.2.2"), ("rfc822; b@home.example", "delivered", "2.0.0")),
            DeliveryReport("bounced", "5.2.2"),
        ),
        (
            forwarded(("rfc822; b@home.example", "failed", "5.1.1"), ("rfc822; asha@example.com (Asha)", "expanded", "2.0.0")),
            DeliveryReport("other"),
        ),
        # Some servers name nobody of ours: where mail went in the end, or a mailbox of their own.
        (forwarded(("rfc822; b@home.example", "delayed", "4.4.1"), ("x400; c", "failed", "5.1.1")), DeliveryReport("bounced", "5.1.1")),
    ],
)  # fmt: skip
def test_each_recipient_has_its_own_end_and_ours_counts(mail: bytes, report: DeliveryReport) -> None:
    assert read(mail, is_bounce_address=True, reader="asha@example.com") == report


def test_an_address_beyond_ascii_is_ours_in_either_form() -> None:
    mail = forwarded(("utf-8; jörg@bücher.example", "delivered", "2.0.0"), ("rfc822; b@c.example", "failed", "5.1.1"))
    assert read(mail, is_bounce_address=True, reader="jörg@xn--bcher-kva.example") == DeliveryReport(
        "delivered", "2.0.0"
    )


def test_a_reply_that_quotes_a_bounce_is_a_reply() -> None:
    reply = plain("Re: delivery", "could not be delivered? 550 5.1.1")
    assert read(reply, is_bounce_address=False) == DeliveryReport("other")


@given(st.binary(max_size=400), st.sampled_from([dsn("failed", "5.1.1"), arf("abuse"), b""]), st.integers(0, 900))
def test_no_mail_is_too_broken_to_read(noise: bytes, mail: bytes, at: int) -> None:
    read(mail[:at] + noise + mail[at:], is_bounce_address=True)


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300_000,
        dsn("failed", "5.1.1").replace(b"Final-", b"A: b\r\n\r\n" * 400_000 + b"Final-"),
    ],
)
def test_a_mail_made_to_be_read_slowly_is_read_as_far_as_reports_go(mail: bytes) -> None:
    began = time.process_time()
    read(mail, is_bounce_address=True)
    assert time.process_time() - began < 5
