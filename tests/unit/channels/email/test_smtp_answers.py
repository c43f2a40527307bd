"""What SMTP answers mean, one a row: stage, answer, whose matter it is. Words as the servers document or send them."""

import pytest

from service.channels.email.answers import Stage, result_of
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage
from service.domain.notices import NoAnswer, Permanent, Refused, Transient

US, LATER, READER, MESSAGE, NOBODY_KNOWS = "us", "later", "reader", "message", "nobody knows"

ROWS: list[tuple[Stage, int, str, str]] = [
    # greeting
    ("connect", 554, "mx.example ESMTP not accepting messages", US),
    ("connect", 554, "5.7.1 Your host is listed by DNSBL", US),
    ("connect", 521, "5.3.2 This host does not accept mail", US),
    ("connect", 421, "4.7.0 Too many connections from your IP", LATER),
    ("connect", 450, "4.3.2 try again", LATER),
    ("connect", -1, "garbage", LATER),
    # EHLO, STARTTLS
    ("ehlo", 550, "5.7.1 Helo command rejected: Host not found", US),
    ("ehlo", 504, "5.5.2 Helo command rejected: need fully-qualified hostname", US),
    ("ehlo", 501, "Syntactically invalid EHLO argument(s)", US),
    ("ehlo", 450, "4.7.1 Helo command rejected", LATER),
    ("starttls", 454, "4.7.0 TLS not available due to local problem", LATER),
    ("starttls", 501, "5.5.4 Syntax error", US),
    # AUTH
    ("auth", 535, "5.7.8 Error: authentication failed: UGFzc3dvcmQ6", US),
    ("auth", 535, "5.7.3 Authentication unsuccessful, user is locked by your organization's security defaults", US),
    ("auth", 535, "Authentication Credentials Invalid", US),
    ("auth", 534, "5.7.9 Application-specific password required", US),
    ("auth", 525, "5.7.1 Unauthorized IP address", US),
    ("auth", 454, "4.7.0 Temporary authentication failure: Connection lost to authentication server", LATER),
    ("auth", 454, "Throttling failure: Maximum sending rate exceeded.", LATER),
    ("auth", 454, "Throttling failure: Daily message quota exceeded.", US),
    ("auth", 451, "Authentication failed: Maximum credits exceeded", US),
    ("auth", 421, "4.7.0 Try again later, closing connection", LATER),
    # MAIL FROM
    ("mail", 550, "5.1.8 Access denied, bad outbound sender", US),
    ("mail", 550, "no", US),
    ("mail", 553, "5.7.1 <orders@cedar.example>: Sender address rejected: not owned by user app", US),
    ("mail", 530, "5.7.0 Must issue a STARTTLS command first", US),
    ("mail", 530, "5.7.57 Client not authenticated to send mail", US),
    ("mail", 550, "Unauthenticated senders not allowed", US),
    ("mail", 501, "Invalid MAIL FROM address provided", US),
    ("mail", 552, "5.3.4 Message size exceeds fixed limit", MESSAGE),
    ("mail", 550, "5.6.7 SMTPUTF8 addresses are not taken", MESSAGE),
    ("mail", 552, "", MESSAGE),
    ("mail", 552, "5.7.1 sending is blocked", US),
    ("mail", 354, "go on", LATER),
    ("mail", 452, "4.3.1 Insufficient system storage", LATER),
    ("mail", 451, "4.7.500 Server busy. Please try again later", LATER),
    ("mail", 421, "4.4.2 Error: timeout exceeded", LATER),
    # RCPT TO: the reader
    ("rcpt", 550, "5.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table", READER),
    ("rcpt", 550, "5.1.1 <a@b.example>: Recipient address rejected: User unknown in relay recipient table", READER),
    ("rcpt", 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", READER),
    ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)", READER),
    ("rcpt", 550, "5.1.2 Host unknown", READER),
    ("rcpt", 501, "5.1.3 Bad recipient address syntax", READER),
    ("rcpt", 556, "5.1.10 Recipient address has a null MX", READER),
    ("rcpt", 550, "Unrouteable address", READER),
    ("rcpt", 550, "No such user here", READER),
    ("rcpt", 550, "Requested action not taken: mailbox unavailable", READER),
    ("rcpt", 551, "User not local", READER),
    ("rcpt", 552, "5.2.2 mailbox full", MESSAGE),
    ("rcpt", 550, "5.2.1 The email account that you tried to reach is disabled", MESSAGE),
    ("rcpt", 550, "5.7.124 RESOLVER.RST.SenderNotInAllowedSenderList", READER),
    ("rcpt", 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", READER),
    ("rcpt", 550, "mailbox is full", READER),
    ("rcpt", 452, "4.2.2 The email account that you tried to reach is over quota", LATER),
    ("rcpt", 450, "4.2.0 Recipient address rejected: Greylisted", LATER),
    ("rcpt", 451, "4.7.1 Greylisting in action, please come back later", LATER),
    ("rcpt", 450, "4.1.8 Sender address rejected: Domain not found", LATER),
    ("rcpt", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly", LATER),
    ("rcpt", 421, "4.7.0 Too many errors", LATER),
    # RCPT TO: us
    ("rcpt", 550, "5.7.1 <a@b.example>: no such user here", READER),
    ("rcpt", 554, "5.7.1 <a@b.example>: Recipient address rejected: user a@b.example does not exist", READER),
    ("rcpt", 550, "5.7.1 <orders@cedar.example>: Sender address rejected: user unknown", US),
    ("rcpt", 554, "5.7.1 <a@b.example>: Relay access denied", US),
    ("rcpt", 550, "relay access denied", US),
    ("rcpt", 550, "relay not permitted", US),
    ("rcpt", 550, "5.7.1 Unable to relay", US),
    ("rcpt", 550, "5.4.1 Relay Access Denied", US),
    ("rcpt", 550, "Relaying denied", US),
    ("rcpt", 553, "Relaying disallowed as orders@cedar.example", US),
    ("rcpt", 503, "5.5.4 Error: send AUTH command first", US),
    ("rcpt", 530, "5.7.0 Authentication required", US),
    ("rcpt", 550, "5.1.0 <orders@cedar.example>: Sender address rejected: User unknown", US),
    ("rcpt", 550, "Sender verify failed", US),
    ("rcpt", 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", US),
    ("rcpt", 550, "5.7.606 Access denied, banned sending IP [192.0.2.9]", US),
    ("rcpt", 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", US),
    ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org", US),
    ("rcpt", 550, "rejected because 192.0.2.9 is in a black list at zen.spamhaus.org", US),
    ("rcpt", 550, "5.7.23 The message was rejected because of Sender Policy Framework violation", US),
    ("rcpt", 550, "SPF check failed", US),
    ("rcpt", 550, "Administrative prohibition", US),
    ("rcpt", 550, "5.4.5 Daily user sending limit exceeded", US),
    ("rcpt", 550, "Daily SMTP relay limit exceeded for user", US),
    # qmail, hMailServer, Kerio, Courier; relays that defer what they will never take
    ("rcpt", 553, "sorry, that domain isn't in my list of allowed rcpthosts", US),
    ("rcpt", 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", US),
    ("rcpt", 550, "sorry, no mailbox here by that name (#5.1.1)", READER),
    ("rcpt", 550, "#5.1.0 Address rejected.", READER),
    ("rcpt", 550, "#5.7.1 Your access to submit messages to this e-mail system has been rejected.", US),
    ("rcpt", 550, "Delivery is not allowed to this address.", US),
    ("rcpt", 550, "Relaying to <a@b.example> denied", US),
    ("rcpt", 513, "Relaying denied.", US),
    ("rcpt", 454, "4.7.1 <a@b.example>: Relay access denied", US),
    ("rcpt", 450, "4.7.1 Relay access denied", US),
    ("rcpt", 451, "relay not permitted!", US),
    ("mail", 454, "4.7.0 Authentication required", US),
    ("auth", 432, "4.7.12 A password transition is needed", US),
    ("data", 432, "4.3.2 Concurrent connections limit exceeded", LATER),
    ("body", 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", LATER),
    ("mail", 421, "Domain cedar.example is not allowed to send: The domain is unverified", US),
    ("rcpt", 450, "4.2.1 The account that you tried to reach is disabled", LATER),
    ("rcpt", 550, "5.1.0 MailProtect : Domain of sender address a@cedar.example does not exist", US),
    ("rcpt", 550, "Sender domain must exist", US),
    ("rcpt", 550, "Invalid sender domain", US),
    ("rcpt", 550, "Return path does not resolve", US),
    ("rcpt", 550, "Please turn on SMTP Authentication in your mail client", US),
    ("rcpt", 550, "5.1.90 Your message can't be sent because you've reached your daily limit for recipients", US),
    # DATA
    ("body", 550, "5.1.90 Your message can't be sent because you've reached your daily limit for recipients", US),
    ("body", 554, "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", US),
    ("body", 554, "5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; WASCL UserAction verdict is Suspend", US),
    ("body", 550, "5.2.2 Submission quota exceeded", US),
    ("data", 250, "2.0.0 Ok", LATER),
    ("data", 452, "", LATER),
    ("data", 552, "", MESSAGE),
    ("data", 554, "", MESSAGE),
    ("data", 554, "5.7.1 policy", US),
    ("body", 452, "", LATER),
    ("body", 552, "", MESSAGE),
    ("body", 552, "5.2.2", MESSAGE),
    ("body", 554, "5.3.4", MESSAGE),
    ("body", 554, "5.6.3", MESSAGE),
    ("body", 554, "5.7.1", US),
    ("body", 552, "5.7.1 sender is blocked", US),
    ("data", 554, "5.5.1 Error: no valid recipients", MESSAGE),
    ("data", 451, "4.3.0 Error: queue file write error", LATER),
    ("body", 554, "Message rejected: Email address is not verified. The following identities failed the check", US),
    ("body", 554, "Access denied: your account is suspended", US),
    ("body", 550, "The from address does not match a verified Sender Identity", US),
    ("body", 554, "5.2.252 SendAsDenied; orders@cedar.example not allowed to send as sales@cedar.example", US),
    ("body", 550, "5.7.1 Our system has detected that this message is likely unsolicited mail", US),
    ("body", 550, "5.7.26 Unauthenticated email from cedar.example is not accepted due to domain's DMARC policy", US),
    ("body", 550, "Message rejected as spam", US),
    ("body", 550, "5.4.5 Daily sending quota exceeded", US),
    ("body", 535, "5.7.139 Authentication unsuccessful", US),
    ("body", 552, "5.7.0 This message was blocked because its content presents a potential security issue", MESSAGE),
    ("body", 554, "5.7.1 virus found", MESSAGE),
    ("body", 552, "5.3.4 Message size exceeds fixed limit", MESSAGE),
    ("body", 554, "5.6.0 Message content is malformed", MESSAGE),
    ("body", 554, "Transaction failed", MESSAGE),
    ("body", 550, "5.1.1 no such user", READER),
    ("body", 550, "5.2.2 over quota", MESSAGE),
    ("body", 451, "4.3.0 Mail server temporarily rejected message", LATER),
    ("body", 452, "4.3.1 Insufficient system storage", LATER),
    ("body", 421, "4.3.2 shutting down", LATER),
    ("body", -1, "garbage", NOBODY_KNOWS),
    ("body", 354, "go on", NOBODY_KNOWS),
]


def whose(stage: Stage, code: int, text: str) -> str:
    match result_of("smtp:relay", stage, code, text):
        case Refused():
            return US
        case Transient():
            return LATER
        case NoAnswer():
            return NOBODY_KNOWS
        case Permanent(kind="bad_address"):
            return READER
        case _:
            return MESSAGE


def test_whose_matter_an_answer_is() -> None:
    assert len(ROWS) >= 145
    assert [(*row[:3], whose(*row[:3])) for row in ROWS] == ROWS


@pytest.mark.parametrize(
    ("stage", "code", "text", "bounced"),
    [
        ("rcpt", 550, "5.1.1 User unknown", "5.1.1"),
        ("rcpt", 553, "sorry, no mailbox here by that name (#5.1.1)", "5.1.1"),
        ("rcpt", 556, "5.1.10 Recipient address has a null MX", "5.1.10"),
        ("body", 550, "5.1.1 no such user", "5.1.1"),
        # Nothing that other servers say of something else, nor of what may pass.
        ("rcpt", 550, "No such user here", ""),
        ("rcpt", 550, "5.1.0 Address rejected", ""),
        ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied", ""),
        ("rcpt", 552, "5.2.2 mailbox full", ""),
        ("rcpt", 550, "5.7.124 SenderNotInAllowedSenderList", ""),
    ],
)
def test_a_mailbox_that_is_none_is_told_from_a_no(stage: Stage, code: int, text: str, bounced: str) -> None:
    answer = result_of("smtp:relay", stage, code, text)
    assert isinstance(answer, Permanent)
    assert answer.bounced == bounced


def test_the_relays_words_go_with_the_answer_short_and_without_addresses() -> None:
    message = OutgoingMessage("n", "asha@example.com", Rendered("Your code is 481920", "Your code"), 60, "")
    text = "5.7.1 <asha@example.com>: Relay access denied\n5.7.1 see https://relay.example/denied " + "x " * 300
    answer = result_of("smtp:relay", "rcpt", 554, text, message)
    assert isinstance(answer, Refused)
    assert answer.code == "554"
    assert answer.error.startswith("SMTP 554 5.7.1 Relay access denied")
    assert "asha" not in answer.error
    assert len(answer.error) < 230


@pytest.mark.parametrize("stage", ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body"])
def test_a_421_and_every_4xx_heals_and_no_5xx_is_retried_blindly(stage: Stage) -> None:
    for code in (*range(400, 600, 7), 421, 450, 535, 550):
        answer = result_of("smtp:relay", stage, code, "whatever")
        assert isinstance(answer, Transient if code < 500 else Permanent | Refused), code
