"""CPU time of one send in µs: with Twilio's SDK and FCM as the service sends, and a bare POST with aiohttp.

`python -m bench.sending` runs this part alone. Only this process is measured; the provider is another. 50 at a time.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import uvloop
from pydantic import SecretStr

from bench.setting import ROOT
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage
from service.channels.push.provider import FcmProvider
from service.channels.twilio.provider import TwilioProvider
from service.channels.twilio.settings import TwilioAccount
from service.channels.twilio.transport import TwilioHttp
from service.domain.notices import Accepted
from tests.support.ports import free_port
from tests.support.providers import service_account

SENDS: Final = 2000
AT_ONCE: Final = 50
ROUNDS: Final = 5
TIMEOUT_S: Final = 20.0
TEXT: Final = "Bench: your partner Ravi has arrived for order B-1-1. https://t.example/t/B-1-1"
MESSAGE: Final = OutgoingMessage(
    "m-1", "+919812345678", Rendered(text=TEXT, title="Arrived"), 600, "https://t.example/callbacks/twilio/status?m=1"
)
Post = Callable[[], Awaitable[object]]


@asynccontextmanager
async def _ways(provider: str) -> AsyncIterator[dict[str, Post]]:
    """The measured calls by name."""
    account = TwilioAccount(
        account_sid="AC" + "0" * 32, auth_token=SecretStr("t"), sms_from="+15005550006", base_url=provider
    )
    transport = TwilioHttp(AT_ONCE, TIMEOUT_S)
    twilio = TwilioProvider(account, "sms", transport, TIMEOUT_S)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as key:
        key.write(json.dumps(service_account(provider)))
        key.flush()
        fcm = FcmProvider(Path(key.name), provider, AT_ONCE, TIMEOUT_S)
    form = {"To": MESSAGE.address, "From": "+15005550006", "Body": TEXT}
    url = f"{provider}/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def bare() -> None:
            async with session.post(url, data=form) as answer:
                await answer.read()

        yield {"SMS": lambda: twilio.send(MESSAGE), "push": lambda: fcm.send(MESSAGE), "bare POST": bare}
    await transport.close()
    await fcm.close()


async def _cpu_us(post: Post, count: int) -> float:
    async def some() -> None:
        for _ in range(count // AT_ONCE):
            answer = await post()
            assert answer is None or isinstance(answer, Accepted), answer

    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return 1e6 * (time.process_time() - began) / count


async def measure(sends: int = SENDS, rounds: int = ROUNDS) -> dict[str, float]:
    """The median in µs of each, measured alternately."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.provider", str(port)], cwd=ROOT)
    try:
        await _listening(port)
        async with _ways(f"http://127.0.0.1:{port}") as ways:
            for post in ways.values():
                await _cpu_us(post, AT_ONCE)
            got = [{name: await _cpu_us(post, sends) for name, post in ways.items()} for _ in range(rounds)]
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)
    return {name: statistics.median(r[name] for r in got) for name in got[0]}


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def show(found: dict[str, float]) -> str:
    """A line of the report."""
    return "CPU of a send, µs: " + ", ".join(f"{name} {us:.0f}" for name, us in found.items())


if __name__ == "__main__":
    print(show(uvloop.run(measure())))
