"""What counts as an opt-out: the FCC's words and those of other languages, in whatever dress, and nothing longer."""

import pytest

from service.opt_out_words import is_answer, wish_of

STOPS = (
    "STOP", "stop", " Stop. ", "STOP,", '"STOP"', "“Stop”", "'stop'", "«stop»", "STOP!!!", "Stop. Thank you", "please stop",
    "Pls STOP, thanks!", "STOP ALL", "STOPALL", "OPT OUT", "opt-out", "Opt Out.", "OPTOUT", "quit", "END", "Revoke",
    "unsubscribe", "UNSUBSCRIBE please", "ＳＴＯＰ", "s\u200btop", "stop\n", "stop stop", "STOP 🙏", "S T O P",
    "ARRET", "ARRÊT", "arrêt", "Arrêtez svp", "désinscrire", "stopp", "Stopp bitte", "abmelden", "BAJA", "alto", "parar",
    "Arrête", "stop now!", "Stop texting me", "unsubscribe me please", "ok stop", "STOP thank you so much 🙏",
    "Danke schön, stopp", "hi. stop.", "stop ty", "“Stop”!!", "stop\u200d",
    "बंद करें", "बंद करो।", "कृपया बंद करें", "बन्द करें", "रोकें", "band karo",
)  # fmt: skip
REPLIES = (
    "", " ", "Thank you", "please", "don't stop", "stop at the gate", "I want to stop this pickup", "where is it?", "no",
    "the end of the street", "cancel my order", "cancel order", "stopover", "बंद दरवाज़ा है", "¿para cuándo?", "stop " * 100,
    "please do not stop", "stop by at 5", "ok", "thanks a lot", "stop start", "not now", "it", "para el martes", "🛑?",
    "HELP", "12", "stop?\nno, wait",
)  # fmt: skip


@pytest.mark.parametrize("text", STOPS)
def test_words_that_end_messages(text: str) -> None:
    assert wish_of(text, "sms") == wish_of(text, "whatsapp") == "stop"


@pytest.mark.parametrize("text", REPLIES)
def test_anything_longer_is_a_reply(text: str) -> None:
    assert wish_of(text, "sms") is None


@pytest.mark.parametrize("text", ["Cancel", "CANCEL.", "cancel please", "रद्द करें", "annuler"])
def test_cancel_alone_is_an_opt_out_by_sms_and_a_reply_elsewhere(text: str) -> None:
    assert wish_of(text, "sms") == "stop"
    assert wish_of(text, "whatsapp") is None


@pytest.mark.parametrize("text", ["START", "start please", "Yes", "UNSTOP", "शुरू करें", "Opt in"])
def test_words_that_bring_messages_back(text: str) -> None:
    assert wish_of(text, "sms") == "start"


def test_a_packs_own_words_count_beside_the_usual_and_never_inside_a_sentence() -> None:
    more = ["थांबवा", "Hætta", "!"]
    assert wish_of("Hætta!", "sms", more) == wish_of("please थांबवा", "whatsapp", more) == "stop"
    assert wish_of("Hætta", "sms") is None
    assert wish_of("Hætta við", "sms", more) is None
    assert wish_of("!", "sms", more) is None


@pytest.mark.parametrize("text", ["Yes", "yes please", "Yes, thank you 🙏", "YES!", "शुरू करें", "yes yes"])
def test_a_word_that_brings_messages_back_may_answer_a_question(text: str) -> None:
    assert wish_of(text, "sms") == "start"
    assert is_answer(text)


@pytest.mark.parametrize("text", ["START", "unstop", "Opt in", "stop", "no", ""])
def test_others_are_about_messages_alone(text: str) -> None:
    assert not is_answer(text)
