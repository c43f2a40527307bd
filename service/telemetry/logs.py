"""structlog: console format on a terminal, else JSON lines; libraries that would log personal data are silenced."""

import logging
import sys
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, Literal

import msgspec
import structlog

# twilio's client logs request data, including codes and numbers, at debug and info level;
# aiosmtplib and aiohttp log addresses and query strings.
_QUIET: Final = ("twilio", "aiosmtplib", "mail.log", "aiohttp", "asyncio", "aiormq", "aio_pika", "sqlalchemy",
                 "aiosqlite", "google", "urllib3", "alembic")  # fmt: skip


def configure(log_format: Literal["console", "json"] | None, level: int = logging.INFO) -> None:
    """Set up logging for the process: our own lines go to stderr directly, those of libraries in the same format."""
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if chosen == "console"
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.setLevel(logging.WARNING)
    # The broker's client logs a traceback for each lost connection; our own lines have what matters of it.
    for name in ("twilio", "aiosmtplib", "mail.log", "aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def frames(error: BaseException) -> str:
    """Where an error was raised, without its text, which may contain received data."""
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(extract_tb(error.__traceback__)))


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
