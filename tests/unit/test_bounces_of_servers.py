"""Bounces as real mail servers word them: whether the mail is over, and whether the mailbox will never take any."""

import base64

import pytest

from service.mail_in.reports import read

GROUP = "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; asha@example.com\n"
FAILED = GROUP + "Action: failed\n"
EXIM = FAILED + "Status: 5.0.0\n"
QMAIL = (
    "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the"
    " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<asha@example.com>:\n"
)
EXPIRED = "I'm not going to try again; this message has been in the queue too long."


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def report(fields: str, text: str = "Your mail came back.", kind: str = "plain") -> bytes:
    return crlf(
        "From: MAILER-DAEMON@mx.example\nSubject: x\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/{kind}\n\n{text}\n\n--b\nContent-Type: message/delivery-status\n\n{fields}\n\n"
        "--b\nContent-Type: message/rfc822\n\nSubject: Your order\n\nHello\n--b--\n"
    )


def told(subject: str, text: str, sender: str = "MAILER-DAEMON@mx.example", more: str = "") -> bytes:
    return crlf(f"From: {sender}\nSubject: {subject}\n{more}\n{text}\n")


@pytest.mark.parametrize(
    ("mail", "kind", "permanent"),
    [
        # Exim: its code is 5.0.0 whatever happened, and without an answer only the text says what.
        (report(EXIM + "Diagnostic-Code: smtp; 452 4.2.2 over quota"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 452 mailbox busy"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 552 Mailbox full"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 550 Mailbox quota exceeded"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 550 This message contains a virus"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 552 message size exceeds maximum permitted"), "bounced", False),
        (report(EXIM + "Diagnostic-Code: smtp; 421 4.7.0 [TSS04] deferred due to complaints"), "bounced", False),
        (report(EXIM, "host mx.example\nSMTP timeout after RCPT TO: retry timeout exceeded"), "bounced", False),
        (report(EXIM, "after RCPT TO:\n550 Your IP is blocked by spamhaus"), "bounced", False),
        (report(EXIM, "asha@example.com\nUnrouteable address"), "bounced", True),
        (report(EXIM + "Diagnostic-Code: smtp; 550 No such user here"), "bounced", True),
        (report(EXIM + "Diagnostic-Code: smtp; 554 30 This mailbox is disabled (554.30)."), "bounced", True),
        # Gmail, Exchange, sendmail.
        (report(FAILED + "Status: 5.2.1\nDiagnostic-Code: smtp; 550-5.2.1 The user you are trying to contact is"
                " receiving mail at a rate that prevents more"), "bounced", False),
        (report(FAILED + "Status: 5.2.1\nDiagnostic-Code: smtp;550 5.2.1 Mailbox cannot be accessed"), "bounced", True),
        (report(FAILED + "Status: 4.2.2\nDiagnostic-Code: smtp; 452-4.2.2 over quota"), "bounced", False),
        (report(FAILED + "Status: 5.4.14\nDiagnostic-Code: smtp;554 5.4.14 Hop count exceeded"), "bounced", False),
        (report(GROUP + "Action: relayed\nStatus: 5.0.0"), "other", False),
        (report(GROUP + "Action: delivered (to mailbox)\nStatus: 2.1.5"), "delivered", False),
        # Groups that are written in their own ways.
        (report("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\n\nAction: failed\n\nStatus: 4.4.7"), "bounced", False),
        (report(FAILED + "Status: 5.2.2(mailbox full)"), "bounced", False),
        (report(GROUP + "Action:\n failed\nStatus:\n 5.2.2"), "bounced", False),
        (report(GROUP + "Action: delayed\nStatus: 4.4.1\n\nFinal-Recipient: rfc822; b@c\nAction: failed\nStatus: 5.1.1"),
         "bounced", True),
        # What stands behind pages of explanation.
        (report(FAILED + "Status: 5.2.2", "<td>styled</td>\n" * 6000, "html"), "bounced", False),
        (report(GROUP + "Action: delayed\nStatus: 4.4.1", "a line of the log\n" * 6000), "delayed", False),
        # qmail: it has given up, whatever the last answer was.
        (told("failure notice", QMAIL + f"I wasn't able to establish an SMTP connection. (#4.4.1)\n{EXPIRED}"), "bounced", False),
        (told("failure notice", QMAIL + f"Remote host said: 452 4.2.2 mailbox full\n{EXPIRED}"), "bounced", False),
        (told("failure notice", QMAIL + "user is over quota (#5.2.2)"), "bounced", False),
        (told("failure notice", QMAIL + "Sorry, I couldn't find any host named nope.example. (#5.1.2)"), "bounced", True),
        (told("=?utf-8?B?" + base64.b64encode(b"failure notice").decode() + "?=", "Sorry.", "x@mx.example"), "bounced", True),
        (told("delivery temporarily suspended", "your mail is still queued"), "other", False),
        # Others, in their own languages and without a report.
        (told("mail failed, returning to sender", "no valid recipients were found"), "bounced", True),
        (told("NDN: Your order", "asha (Mailbox or Conference is full.)", "Post_Office@mx.example"), "bounced", False),
        (told("Mail delivery failed", "The following address failed:\nReason: mailbox is full"), "bounced", False),
        (told("Unzustellbar: Ihr Auftrag", "Das Postfach ist voll"), "bounced", False),
        (told("Ei voitu toimittaa", "550 5.1.1 tuntematon"), "bounced", True),
        (told("Ei voitu toimittaa", "550 5.1.1 tuntematon", "asha@example.com"), "other", False),
        (told("Urlaub", "Ich bin 550 Tage weg", more="Return-Path: <>\n"), "other", False),
        (told("Re: Your order", "was it returned mail? 550 5.1.1", "asha@example.com"), "other", False),
    ],
)  # fmt: skip
def test_what_a_server_means(mail: bytes, kind: str, permanent: bool) -> None:
    found = read(mail, is_bounce_address=True)
    assert (found.kind, found.is_permanent) == (kind, permanent)
