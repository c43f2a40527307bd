"""Which Chromium tests and measurements start, and how."""

import shutil
from typing import Final

# Without a window, its tabs and its menus, it takes half the CPU; a whole one will do where there is no such package.
EXECUTABLE: Final = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
# Beside what Playwright says itself (its `chromiumSwitches`).
SWITCHES: Final = (
    "--disable-gpu",
    # Chromium would otherwise keep a spare renderer for the next page, which takes time to start.
    "--disable-features=SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate",
)
