"""Answers that are lost: the database or the provider did what it was asked, and the asker never hears of it."""

import os
import random
from typing import Final

# Of all calls, under the integration tests.
SHARE: Final = float(os.environ.get("STAGEBELL_TEST_FORGETS", "0"))
# One for the whole run: each test meets another loss.
DICE: Final = random.Random(int(os.environ.get("STAGEBELL_TEST_SEED", "1")))
# A mail or a push of money is never sent again, and nobody can be asked about it: nothing would settle it.
NEVER_REPEATED: Final = ("Payment done", "भुगतान हो गया", "commission", "comisión")


class Losses:
    """Which answers of a stand-in are lost. A repetition of what was taken is known for one."""

    def __init__(self) -> None:
        self.share = 0.0
        self.count = 0
        self._taken: list[tuple[str, ...]] = []

    @property
    def unsettled(self) -> bool:
        """Whether there are messages of which the asker does not know yet."""
        return bool(self._taken)

    def tell(self, to: str) -> None:
        """What was taken for this address is known now."""
        self._taken = [message for message in self._taken if to not in message]

    def is_repeated(self, *message: str) -> bool:
        """Whether this is the second try of a message whose first answer was lost."""
        if message not in self._taken:
            return False
        self._taken.remove(message)
        return True

    def loses(self, *message: str, settled: bool) -> bool:
        """Whether the answer to this message is lost. `settled`: the provider can be asked what became of it."""
        money = any(words in part for words in NEVER_REPEATED for part in message)
        if (money and not settled) or DICE.random() >= self.share:
            return False
        self.count += 1
        self._taken.append(message)
        return True
