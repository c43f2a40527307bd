"""What axe-core finds wrong with a page, and whether it has to be scrolled sideways."""

from collections.abc import Mapping
from typing import Any, Final

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

# WCAG 2.2 AA and everything below it.
LEVELS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
EVERY_RULE: Final[Mapping[str, Any]] = {"type": "tag", "values": LEVELS}
COLOURS: Final[Mapping[str, Any]] = {"type": "rule", "values": ("color-contrast", "link-in-text-block")}
# What is as it should be is neither written down node by node (axe-core, API documentation: `resultTypes`) nor sent here:
# to carry it takes longer than to find it.
RUN: Final = """async (rules) => {
  const {violations} = await axe.run({runOnly: rules, resultTypes: ["violations"]});
  return violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 160)}`);
}"""
TOO_WIDE: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def violations(page: Page, rules: Mapping[str, Any] = EVERY_RULE) -> list[str]:
    """Each rule that is broken, with the first node that breaks it; and how much is out of sight at the side."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found: list[str] = await page.evaluate(RUN, rules)
    wide = await page.evaluate(TOO_WIDE)
    return found + ([f"{wide} px too wide"] if wide > 0 else [])
