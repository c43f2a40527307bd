"""Measures tasks at the desk: keys and clicks as they are made, and the seconds that a person needs for them.

Seconds are those of the Keystroke-Level Model (Card, Moran, Newell, "The Keystroke-Level Model for User Performance Time
with Interactive Systems", CACM 23(7), 1980): an average typist's key, pointing and clicking, and one pause to think
before the task; plus the measured times of the pages.
"""

import json
import os
import time
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page

KEY_S: Final = 0.28
CLICK_S: Final = 1.1 + 0.2
THOUGHT_S: Final = 1.35
# A file to which each finished task is appended as a line of JSON.
TOLD: Final = "STAGEBELL_TEST_TASKS"


def seconds(keys: int, clicks: int) -> float:
    """The person's seconds, without the time of the pages."""
    return THOUGHT_S + keys * KEY_S + clicks * CLICK_S


class Hand:
    """Somebody doing one task on a page. `words`: letters of text that the task requires, not counted as effort."""

    def __init__(self, page: Page, task: str) -> None:
        self.page, self.task = page, task
        self.keys = self.clicks = self.words = 0
        self._began = time.perf_counter()

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)
            self.keys += 1

    async def type(self, text: str) -> None:
        """Type where the focus is."""
        await self.page.keyboard.type(text)
        self.keys += len(text)

    async def click(self, on: Locator) -> None:
        """Click once."""
        await on.click()
        self.clicks += 1

    async def choose(self, among: Locator, value: str) -> None:
        """Choose from a list: open it and click."""
        await among.select_option(value)
        self.clicks += 2

    async def say(self, field: Locator, text: str) -> None:
        """Type the task's text into a field, after clicking it."""
        await field.fill(text)
        self.clicks += 1
        self.words += len(text)

    def done(self, *, keys: int = 0, clicks: int = 0) -> None:
        """Finish the task, and check the number of keys and clicks."""
        waited = time.perf_counter() - self._began
        assert self.keys <= keys, (self.task, self.keys)
        assert self.clicks <= clicks, (self.task, self.clicks)
        if told := os.environ.get(TOLD):
            line = {"task": self.task, "keys": self.keys, "clicks": self.clicks, "words": self.words, "waited": waited}
            with Path(told).open("a") as file:
                file.write(json.dumps(line) + "\n")
