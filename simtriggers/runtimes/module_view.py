"""Which modules a handler's environment sees: its own instances of its code, everybody's of the rest.

Two environments of one function, and two functions that each have an `app.py`, never share a module. The
view is laid over `sys.modules` while the handler runs and taken off when it waits, so imports inside
handlers find the right ones. Knows nothing of handlers.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

_EXTENSIONS = (".py", ".so", ".pyd")
_NEVER = sys.stdlib_module_names | {"simtriggers", "__main__", "__pycache__"}


def roots_of(code_uri: str) -> tuple[frozenset[str], frozenset[str]]:
    """The top-level names that can be imported from a folder: modules and packages, and bare folders, which
    count only where no package of that name is installed.

    Names of the standard library are left out (as on Lambda, where it is imported first), and simtriggers.
    """
    sure: set[str] = set()
    bare: set[str] = set()
    folder = Path(code_uri)
    for place in folder.iterdir() if folder.is_dir() else ():
        name = place.name.split(".")[0]
        if not name.isidentifier() or name in _NEVER:
            continue
        if place.suffix in _EXTENSIONS or (place / "__init__.py").is_file():
            sure.add(name)
        elif place.name == name and place.is_dir():
            bare.add(name)
    return frozenset(sure), frozenset(bare - sure)


class CodeFolder:
    """Tells the modules of one folder from others; remembers what it has judged."""

    def __init__(self, code_uri: str) -> None:
        self._folder = os.path.join(code_uri, "")
        self._real_folder = os.path.join(os.path.realpath(code_uri), "")
        self._roots, self._bare = roots_of(code_uri)
        self._others: set[str] = set()

    def own(self, modules: dict[str, ModuleType]) -> list[str]:
        """The names in `modules` that are this folder's."""
        own: list[str] = []
        for name in modules.keys() - self._others:
            if self._owns(name, modules[name]):
                own.append(name)
            else:
                self._others.add(name)
        return sorted(own)

    def _owns(self, name: str, module: object) -> bool:
        root = name.partition(".")[0]
        if root in self._roots:
            return True
        if root in _NEVER or not isinstance(module, ModuleType):
            return False
        path = vars(module).get("__file__")
        if not isinstance(path, str):
            return root in self._bare and hasattr(module, "__path__")
        if f"{os.sep}site-packages{os.sep}" in path:
            return False
        return root in self._bare or path.startswith((self._folder, self._real_folder))


_folder_of = lru_cache(maxsize=256)(CodeFolder)


class ModuleView:
    """The modules of one environment. `enter` and `leave` are called in turn."""

    def __init__(self, code_uri: str) -> None:
        self._folder = _folder_of(code_uri)
        self._own: dict[str, ModuleType] = {}
        self._hidden: dict[str, ModuleType] = {}
        self._outside_names: list[str] = []
        self._outside_count = -1
        self._inside_count = 0

    def enter(self) -> None:
        """Show this environment's modules."""
        modules = sys.modules
        if len(modules) != self._outside_count:
            self._outside_count = len(modules)
            self._outside_names = self._folder.own(modules)
        hidden = self._hidden
        for name in self._outside_names:
            module = modules.pop(name, None)
            if module is not None:
                hidden[name] = module
        modules.update(self._own)
        self._inside_count = len(modules)

    def leave(self) -> None:
        """Show everybody's again; keeps what was imported meanwhile."""
        modules = sys.modules
        names = list(self._own) if len(modules) == self._inside_count else self._folder.own(modules)
        self._own = {name: modules.pop(name) for name in names if name in modules}
        if self._hidden:
            modules.update(self._hidden)
            self._hidden = {}
        if len(modules) != self._outside_count:
            self._outside_count = -1
