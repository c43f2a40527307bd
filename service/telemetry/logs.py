"""structlog: console on a terminal, JSON lines elsewhere; libraries that would print personal data are quiet."""

import logging
import sys
from typing import Final, Literal

import structlog

# twilio's client writes request data, codes and numbers among them, at debug and info level;
# aiosmtplib and aiohttp write addresses and query strings.
_QUIET: Final = ("twilio", "aiosmtplib", "mail.log", "aiohttp", "asyncio", "aiormq", "aio_pika", "sqlalchemy",
                 "aiosqlite", "google", "urllib3", "alembic")  # fmt: skip


def configure(log_format: Literal["console", "json"] | None, level: int = logging.INFO) -> None:
    """Set up logging for the process."""
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if chosen == "console"
        else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
        if chosen == "json"
        else logging.Formatter("%(message)s")
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.setLevel(logging.WARNING)
    # The broker's client prints a traceback for every lost connection; what matters of it is in our own lines.
    for name in ("twilio", "aiosmtplib", "mail.log", "aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
