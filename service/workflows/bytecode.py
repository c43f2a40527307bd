"""Caches compiled templates by their text, in memory and in a folder of this user for later processes.

The same text is compiled once, even in several copies of a pack; tracebacks name the file it was loaded from.

Compiling is most of the cost of loading packs (0.9 ms a template; loading bytecode takes 0.02). Jinja chooses the
folder, below the system's temporary one, and refuses it unless it belongs to this user alone (its `bccache`,
"unsafe directory"). Without one, as on a read-only system, templates are compiled after each start.
"""

import hashlib
import inspect
import os
import pickle  # nosec B403 - nothing is unpickled here
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import jinja2
from jinja2 import Environment
from jinja2.bccache import Bucket, BytecodeCache, FileSystemBytecodeCache, bc_magic

# The maximum number in memory and in the folder; beyond it the older half of the files is deleted.
MOST_KEPT: Final = 10_000

_Key = tuple[str, str, str]
_kept: OrderedDict[_Key, CodeType] = OrderedDict()


class CompiledTemplates(BytecodeCache):
    """For environments in which the same text compiles to the same code.

    `kind`: what else the code depends on, such as escaping; `made_by`: modules of ours that affect compilation.
    """

    def __init__(self, kind: str, *made_by: ModuleType) -> None:
        texts = "".join(inspect.getsource(module) for module in made_by)
        version = hashlib.sha256(f"{jinja2.__version__} {kind} {texts}".encode()).hexdigest()[:16]
        self._kind = version

    @cached_property
    def _folder(self) -> FileSystemBytecodeCache | None:
        """Opened when the first template is wanted: processes without pages want none of theirs."""
        try:
            folder = FileSystemBytecodeCache(pattern=f"{self._kind}_%s.cache")
            _make_room(folder.directory)
        except (OSError, RuntimeError):
            return None
        return folder

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        """The cache entry of this text and name, as if compiled from `filename`."""
        checksum = self.get_source_checksum(source)
        bucket = Bucket(environment, self.get_cache_key(name, checksum), checksum)
        self.load_bytecode(bucket)
        if bucket.code is not None:
            bucket.code = _from_file(bucket.code, filename or "<template>")
        return bucket

    def load_bytecode(self, bucket: Bucket) -> None:
        """Put the code into the bucket, if it is cached."""
        key = self._key(bucket)
        if key in _kept:
            bucket.code = _kept[key]
            _kept.move_to_end(key)
            return
        try:
            if self._folder is not None:
                self._folder.load_bytecode(bucket)
        except (OSError, ValueError, EOFError, TypeError):
            bucket.reset()  # an incomplete or unreadable file
        self._keep(key, bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Cache the compiled code."""
        self._keep(self._key(bucket), bucket)
        try:
            if self._folder is not None:
                self._folder.dump_bytecode(bucket)
        except OSError:
            self._folder = None  # the disk is full or read-only

    def is_at_hand(self, name: str, text: str) -> bool:
        """Whether the bytecode of this template is cached, in memory or on disk; does not load it."""
        checksum = self.get_source_checksum(text)
        key = self.get_cache_key(name, checksum)
        if (self._kind, key, checksum) in _kept:
            return True
        if self._folder is None:
            return False
        head = bc_magic + pickle.dumps(checksum, 2)
        try:
            with Path(self._folder.directory, self._folder.pattern % (key,)).open("rb") as file:
                return file.read(len(head)) == head
        except OSError:
            return False

    def _key(self, bucket: Bucket) -> _Key:
        return self._kind, bucket.key, bucket.checksum

    def _keep(self, key: _Key, bucket: Bucket) -> None:
        if bucket.code is None:
            return
        _kept[key] = bucket.code
        if len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)


def _from_file(code: CodeType, file: str) -> CodeType:
    if code.co_filename == file:
        return code
    inner = tuple(_from_file(c, file) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=file, co_consts=inner)


def _make_room(folder: str) -> None:
    files = [(entry.stat().st_mtime, entry.path) for entry in os.scandir(folder)]
    if len(files) > MOST_KEPT:
        for _, path in sorted(files)[: len(files) // 2]:
            Path(path).unlink(missing_ok=True)
