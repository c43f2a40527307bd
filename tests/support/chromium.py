"""One Chromium for all browser tests of a test process; each test has its own contexts in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Without a window, its tabs and its menus, it takes half the CPU; a whole one will do where there is no such package.
EXECUTABLE: Final = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
START_WITHIN_S: Final = 60
# Playwright's switches that matter to headless tests (its `chromiumSwitches`), and no sandbox, as required for root.
SWITCHES: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio", "--no-first-run",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
    "--disable-field-trial-config", "--disable-background-networking", "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows", "--disable-back-forward-cache", "--disable-breakpad",
    "--disable-component-extensions-with-background-pages", "--disable-component-update", "--no-default-browser-check",
    "--disable-default-apps", "--disable-dev-shm-usage", "--disable-extensions", "--allow-pre-commit-input",
    "--disable-hang-monitor", "--disable-ipc-flooding-protection", "--disable-popup-blocking", "--disable-sync",
    "--disable-prompt-on-repost", "--disable-renderer-backgrounding", "--force-color-profile=srgb",
    "--metrics-recording-only", "--password-store=basic", "--use-mock-keychain", "--no-service-autorun",
    "--disable-search-engine-choice-screen",
    # Chromium would otherwise keep a spare renderer for the next page, which takes time to start.
    "--disable-features=SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate",
)  # fmt: skip


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start Chromium and yield the URL of its DevTools Protocol; stops it and deletes its folder at the end."""
    home = Path(tempfile.mkdtemp(prefix="stagebell-chromium-"))
    told = home / "DevToolsActivePort"
    command = [EXECUTABLE, *SWITCHES, "--remote-debugging-port=0", f"--user-data-dir={home}"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while not (told.is_file() and told.read_text().count("\n")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Chromium did not start:\n{(home / 'log').read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{told.read_text().split()[0]}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(home, ignore_errors=True)
