"""Third-party packages that import much more than the service uses: load them lazily, or unload them again.

`holidays.countries` imports 250 countries although a pack needs one; SQLAlchemy's asyncio package imports the ORM.
Each costs 7 to 10 MB of memory and a tenth of the start time. `load_lazily` leaves out a package's own imports until
somebody asks for a name that only they provide, so other users of the package notice no difference.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any


def load_lazily(package: str) -> None:
    """Register the package without running its `__init__`; does nothing if it is imported already.

    Its submodules can be imported as usual. Any other name runs `__init__` first (PEP 562, module `__getattr__`).
    """
    if package in sys.modules or (spec := find_spec(package)) is None or spec.loader is None:
        return
    module, loader = module_from_spec(spec), spec.loader

    def load(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if find_spec(f"{package}.{name}"):
            return import_module(f"{package}.{name}")
        if vars(module).pop("__getattr__", None):
            loader.exec_module(module)
        return getattr(module, name)

    vars(module)["__getattr__"] = load
    sys.modules[package] = module


def unload(*packages: str) -> None:
    """Remove these packages from memory once nothing refers to them; the next import loads them again."""
    if sys.modules.keys().isdisjoint(packages):
        return
    for name in list(sys.modules):
        if name.partition(".")[0] in packages:
            del sys.modules[name]
