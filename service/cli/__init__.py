"""The front door: `stagebell ...`."""

from service.cli.main import main

__all__ = ["main"]
