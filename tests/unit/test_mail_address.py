"""Mail addresses: one canonical form of what people write, the reason in words for what can be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mail_address import canonical_mail, mail_key, sender_of


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("asha@example.com", "asha@example.com"),
        (" asha@example.com\n", "asha@example.com"),
        ("asha@example.com\u200b", "asha@example.com"),
        ("asha@EXAMPLE.com.", "asha@example.com"),
        ("Asha.Rao+orders@Example.COM", "Asha.Rao+orders@example.com"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("info@BU\u0308CHER.example", "info@xn--bcher-kva.example"),
        ("info@xn--bcher-kva.example", "info@xn--bcher-kva.example"),
        ("info@例え.jp", "info@xn--r8jz45g.jp"),
        ("info@example。com", "info@example.com"),
        ("info＠example.com", "info@example.com"),
        ("info@straße.example", "info@xn--strae-oqa.example"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("o'brien@a-b.example", "o'brien@a-b.example"),
        ("a@r3---sn.example", "a@r3---sn.example"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_one_form_of_what_people_write(written: str, canonical: str) -> None:
    assert canonical_mail(written) == canonical


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("asha", "no @"),
        ("", "no @"),
        ("@example.com", "before the @"),
        ("a b@example.com", "before the @"),
        ("a..b@example.com", "before the @"),
        (".a@example.com", "before the @"),
        ("a@b@example.com", "before the @"),
        ('"a b"@example.com', "before the @"),
        ("a\r\nRCPT TO:<x@example.com", "before the @"),
        ("a>\r\nRCPT TO:<x@example.com", "before the @"),
        ("a\u202eb@example.com", "before the @"),
        ("Asha <asha@example.com>", "before the @"),
        ("ö" * 33 + "@example.com", "64 bytes"),
        ("a@" + ".".join(["b" * 60] * 5), "254 bytes"),
        ("a@example", "no dot"),
        ("a@", "domain"),
        ("a@example..com", "domain"),
        ("a@-x.example", "domain"),
        ("a@ex ample.com", "domain"),
        ("a@example.com>", "domain"),
        ("a@exam_ple.com", "domain"),
        ("a@😀.example", "domain"),
        ("a@" + "b" * 64 + ".example", "domain"),
        ("a@192.0.2.1", "IP address"),
        ("a@[192.0.2.1]", "domain"),
        ("a@xn--zzzzzz.example", "domain"),
    ],
)
def test_what_can_be_no_address_is_told_in_words(written: str, why: str) -> None:
    with pytest.raises(ValueError, match="not a mail address") as told:
        canonical_mail(written)
    assert why in str(told.value)
    assert not written.strip() or len(written) < 3 or written.strip() not in str(told.value)


@given(st.text(max_size=80), st.sampled_from(["", "@example.com", "@bücher.example", "@"]))
def test_nothing_but_the_reason_is_raised_and_the_form_is_stable(text: str, ending: str) -> None:
    try:
        canonical = canonical_mail(text + ending)
    except ValueError as error:
        assert type(error) is ValueError
        return
    assert canonical_mail(canonical) == canonical
    assert not set(canonical) & set(' \t\r\n<>"()[],;:\\\x00\x7f\x85\u2028')
    assert canonical.rpartition("@")[2].isascii()


def test_one_mailbox_has_one_key() -> None:
    assert mail_key(canonical_mail("Asha@Example.com")) == mail_key(canonical_mail("asha@example.COM"))


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("orders@cedar.example", ("", "orders@cedar.example")),
        ("Stagebell <orders@cedar.example>", ("Stagebell", "orders@cedar.example")),
        ('"Cedar, Orders" <orders@cedar.example>', ("Cedar, Orders", "orders@cedar.example")),
        ("Cedar Ltd. <orders@cedar.example>", ("Cedar Ltd.", "orders@cedar.example")),
        ("Bücher <orders@bücher.example>", ("Bücher", "orders@xn--bcher-kva.example")),
        ("Jörg <jörg@cedar.example>", ("Jörg", "jörg@cedar.example")),
    ],
)
def test_a_sender_is_read_as_the_standard_writes_it(written: str, sender: tuple[str, str]) -> None:
    assert sender_of(written) == sender


@pytest.mark.parametrize(
    "written",
    [
        'Cedar, "Orders" <orders@cedar.example>',
        "Cedar, Orders <orders@cedar.example>",
        "a@cedar.example, b@cedar.example",
        "Orders: a@cedar.example;",
        "Cedar <orders@cedar.example> more",
        "Cedar <orders@cedar.example",
        "Cedar <orders>",
        "Cedar <or ders@cedar.example>",
        "Cedar\r\nBcc: x <orders@cedar.example>",
        "Cedar",
        "",
    ],
)
def test_a_sender_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"sender|write it|line end|not a mail"):
        sender_of(written)
