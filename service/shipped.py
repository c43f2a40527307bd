"""The packs that are shipped with Stagebell: beside the code in a checkout, inside the package when installed."""

from pathlib import Path
from typing import Final

_INSTALLED: Final = Path(__file__).parent / "templates"
PACKS: Final = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "templates"
