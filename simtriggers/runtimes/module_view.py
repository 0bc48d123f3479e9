"""Which modules a handler's environment sees: its own instances of its code, everybody's of the rest.

Two environments of one function, and two functions that each have an `app.py`, never share a module. The
view is laid over `sys.modules` while the handler runs and taken off when it waits, so imports inside
handlers find the right ones. Knows nothing of handlers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

_EXTENSIONS = (".py", ".so", ".pyd")


def roots_of(code_uri: str) -> frozenset[str]:
    """The top-level names that can be imported from a folder.

    Names of the standard library are left out (as on Lambda, where it is imported first), and simtriggers.
    """
    names: set[str] = set()
    folder = Path(code_uri)
    for place in folder.iterdir() if folder.is_dir() else ():
        name = place.name.split(".")[0]
        if name.isidentifier() and (place.suffix in _EXTENSIONS or (place.is_dir() and place.name == name)):
            names.add(name)
    return frozenset(names - sys.stdlib_module_names - {"simtriggers", "__main__"})


class ModuleView:
    """The modules of one environment. `enter` and `leave` are called in turn."""

    def __init__(self, code_uri: str) -> None:
        self._folder = os.path.join(code_uri, "")
        self._real_folder = os.path.join(os.path.realpath(code_uri), "")
        self._roots = roots_of(code_uri)
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
            self._outside_names = [name for name, module in list(modules.items()) if self._owns(name, module)]
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
        own = self._own
        if len(modules) != self._inside_count:
            own = {name: module for name, module in list(modules.items()) if self._owns(name, module)}
        self._own = {name: modules.pop(name) for name in own if name in modules}
        if self._hidden:
            modules.update(self._hidden)
            self._hidden = {}
        if len(modules) != self._outside_count:
            self._outside_count = -1

    def _owns(self, name: str, module: object) -> bool:
        if not isinstance(module, ModuleType):
            return False
        path = vars(module).get("__file__")
        if isinstance(path, str):
            if f"{os.sep}site-packages{os.sep}" in path:
                return False
            return path.startswith((self._folder, self._real_folder)) and self._is_code(name)
        # A folder without __init__.py: a package without a file.
        return name.partition(".")[0] in self._roots and hasattr(module, "__path__")

    def _is_code(self, name: str) -> bool:
        root = name.partition(".")[0]
        return root not in ("simtriggers", "__main__") and root not in sys.stdlib_module_names
