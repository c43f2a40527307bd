"""Requests to providers against what they publish: the stand-ins hold every request of every test to it.

The long form fetches the packages that carry the descriptions and holds our short copy, and patterns, to them.
"""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage
from service.channels.push.provider import payload
from service.channels.twilio.provider import TwilioProvider
from service.channels.twilio.settings import TwilioAccount
from service.channels.twilio.transport import TwilioHttp
from tests.support.published import FACTS, facts_of, fcm_problems, twilio_problems

WORDS = Rendered(text="hello", title="Hello")
TEMPLATE = Rendered(text="hello", content_sid="HX" + "0" * 32, content_variables={"1": "Asha"})


async def forms() -> list[tuple[str, dict[str, str]]]:
    """What we post to Twilio, in each of its forms."""
    client = TwilioHttp(1, 1.0)
    made = []
    for channel, service, words in (
        ("sms", "", WORDS), ("sms", "MG" + "0" * 32, WORDS), ("whatsapp", "", WORDS), ("whatsapp", "", TEMPLATE),
    ):  # fmt: skip
        account = TwilioAccount(
            account_sid="AC" + "0" * 32, auth_token=SecretStr("t"), sms_from="+15005550006",
            messaging_service_sid=service, whatsapp_from="+15005550007",
        )  # fmt: skip
        provider = TwilioProvider(account, channel, client, 1.0)  # type: ignore[arg-type]
        message = OutgoingMessage(
            "n-1", "+919812345678", words, 60, "https://stagebell.example/callbacks/twilio/status?n=x"
        )
        given = provider.parameters(message)
        names = {k: "".join(part.capitalize() for part in k.strip("_").split("_")) for k in given}
        made.append((channel, {names[k]: str(v) for k, v in given.items()}))
    await client.close()
    return made


async def test_what_we_send_is_what_they_publish() -> None:
    for _, form in await forms():
        assert twilio_problems(form) == []
    message = OutgoingMessage("n-1", "token", WORDS, 60, "", data={"order_id": "D-1"})
    assert fcm_problems(payload(message)) == []


def test_the_check_sees_wrong_names_and_values() -> None:
    assert twilio_problems({"Body": "x", "Valid": "1", "ValidityPeriod": "x"}) == [
        "To is missing", "Valid is not a field", "ValidityPeriod is no number",
    ]  # fmt: skip
    wrong = {"message": {"tokn": "x", "android": {"priority": "high", "ttl": 3}, "data": {"n": 1}}}
    assert len(fcm_problems(wrong)) == 4


@pytest.mark.long
async def test_our_copy_is_what_the_packages_carry(tmp_path: Path) -> None:
    fetch_npm = ["npm", "pack", "--silent", "@twilio/cli-core@9.0.0"]
    fetch_pypi = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "google-api-python-client==2.202.0"]
    for command in (fetch_npm, fetch_pypi):
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=240)
    (archive,), (wheel,) = tmp_path.glob("*.tgz"), tmp_path.glob("*.whl")
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/src/services/twilio-api/twilio_api_v2010.json")
        assert member is not None
        openapi: dict[str, Any] = json.load(member)
    with zipfile.ZipFile(wheel) as packed_wheel:
        discovery = json.loads(packed_wheel.read("googleapiclient/discovery_cache/documents/fcm.v1.json"))
    published = facts_of(openapi, discovery)
    assert published["fields"] == FACTS["twilio"]["fields"]
    assert published["required"] == FACTS["twilio"]["required"]
    assert published["schemas"] == FACTS["fcm"]["schemas"]
    path = openapi["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]
    described = path["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
    for _, form in await forms():
        for name, value in form.items():
            assert re.fullmatch(described[name].get("pattern", ".*"), value), name
