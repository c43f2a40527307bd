"""`stagebell`, also as `python -m service`."""

import gc
import sys


def start() -> None:
    """Run a command. The garbage collector is off during imports, as it would take a tenth of the start-up time."""
    gc.disable()
    lean()
    from service.cli import main
    from service.runtime.memory import few_heaps

    few_heaps()
    main()


def lean() -> None:
    """Import structlog without rich and Pygments (6 MB), which it uses for tracebacks that our logs do not have."""
    if "structlog" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]
        import structlog  # noqa: F401

        del sys.modules["rich"]


if __name__ == "__main__":
    start()
