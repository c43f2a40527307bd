"""The command line: `stagebell ...`."""

from service.cli.main import main

__all__ = ["main"]
