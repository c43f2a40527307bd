"""Memory of a running process: how many malloc arenas it has, and what the garbage collector looks at."""

import ctypes
import gc
from typing import Final

GC_THRESHOLD: Final = 20_000
# From glibc's malloc.h.
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def few_heaps() -> None:
    """Let all threads share two malloc arenas; does nothing without glibc.

    By default glibc gives each thread its own arena and memory freed in one cannot be used by another (mallopt(3)).
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """Take what was loaded at the start out of garbage collection (`gc.freeze`), and turn the collector on."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
