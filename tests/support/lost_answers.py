"""Lost answers: the database or the provider did what was asked, but the caller gets no answer."""

import os
import random
from typing import Final

# The share of all calls, in integration tests.
SHARE: Final = float(os.environ.get("STAGEBELL_TEST_FORGETS", "0"))
# One generator for the whole run, so that each test has other losses.
DICE: Final = random.Random(int(os.environ.get("STAGEBELL_TEST_SEED", "1")))
# Mails and pushes are never sent again and cannot be looked up, so nothing would settle them.
NEVER_REPEATED: Final = ("Payment done", "भुगतान हो गया", "commission", "comisión")


class Losses:
    """Which answers of a stand-in are lost. Repeated requests are recognised."""

    def __init__(self) -> None:
        self.share = 0.0
        self.count = 0
        self._taken: list[tuple[str, ...]] = []

    @property
    def unsettled(self) -> bool:
        """Whether there are messages with an unknown result."""
        return bool(self._taken)

    def tell(self, to: str) -> None:
        """The result for this address is known now."""
        self._taken = [message for message in self._taken if to not in message]

    def is_repeated(self, *message: str) -> bool:
        """Whether this is the second try of a message whose first answer was lost."""
        if message not in self._taken:
            return False
        self._taken.remove(message)
        return True

    def loses(self, *message: str, settled: bool) -> bool:
        """Whether to lose the answer to this message. `settled`: the provider can be asked about it later."""
        money = any(words in part for words in NEVER_REPEATED for part in message)
        if (money and not settled) or DICE.random() >= self.share:
            return False
        self.count += 1
        self._taken.append(message)
        return True
