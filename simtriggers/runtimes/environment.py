"""One execution environment in this process: its module, and all that is swapped when its handler runs.

A switch swaps `os.environ`, `sys.stdout` and `sys.stderr`, the folder, `sys.path`, the modules, logging's
loggers and asyncio's loop, and sets time; `leave` puts all of it back. Each of these leaked before.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..aws.contracts import Start
from .bootstrap.lambda_runtime import LogHandler, Names, handler_of, import_handler_module, split_handler
from .capture import Capture
from .module_view import ModuleView
from .surroundings import SANDBOX_HOME, guards, variables
from .virtual_time import Traveller, adopt, new_policy

_environ: Any = os.environ
_events: Any = asyncio.events
_logging: Any = logging
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
_names_of = lru_cache(maxsize=256)(Names)


class Host:
    """What is true outside handlers, for all environments of a runtime."""

    def __init__(self) -> None:
        self.traveller = Traveller()
        self.root = logging.getLogger()
        self.is_utc = time.timezone == 0 and not time.daylight
        self.timezone = os.environ.get("TZ")
        # The variables of the C library, which programs started without `env` get.
        encode = _environ.encodekey, _environ.encodevalue
        self._guards = {encode[0](name): encode[1](text) for name, text in guards(SANDBOX_HOME).items()}
        names = {name for name in os.environ if name.startswith("AWS_")}.union(_CREDENTIALS)
        self._names = [*self._guards, *sorted({encode[0](name) for name in names} - self._guards.keys())]

    def hide_c_variables(self) -> list[tuple[Any, Any]]:
        """Keep the machine's credentials from the C library; what is returned puts them back."""
        data, own = _environ._data, self._guards
        outside = [(name, data.get(name)) for name in self._names]
        for name, text in outside:
            guard = own.get(name)
            if guard is not None:
                os.putenv(name, guard)
            elif text is not None:
                os.unsetenv(name)
        return outside

    def show_c_variables(self, outside: list[tuple[Any, Any]]) -> None:
        """Put back what `hide_c_variables` took away."""
        for name, text in outside:
            if text is not None:
                os.putenv(name, text)
            elif name in self._guards:
                os.unsetenv(name)


class Environment:
    """An execution environment. `shared`: its code is the module that is imported anyway, so that a
    test's `mock.patch`, breakpoints and coverage reach it."""

    def __init__(self, host: Host, start: Start, seed: bytes, *, shared: bool) -> None:
        self.host = host
        self.code_uri = start.code.code_uri
        self.handler = start.code.handler
        self.names = _names_of(self.code_uri)
        self.generator = random.Random(0)
        self.generator.seed(int.from_bytes(seed, "big"))
        self.function_name = start.function_name
        self.log: Callable[[str], None] = _nowhere
        self.request_id = ""
        self.modules = ModuleView(self.code_uri)
        self.shared = shared and self._can_share()
        self._module: ModuleType | None = None
        self._function: Any = None
        self._streams = Capture(self._write), Capture(self._write)
        self._log_handler = LogHandler(self._write, lambda: self.request_id)
        self._root = logging.RootLogger(logging.WARNING)
        self._root.addHandler(self._log_handler)
        self._manager = logging.Manager(self._root)
        encode = _environ.encodekey, _environ.encodevalue
        wanted = variables(start, home=SANDBOX_HOME)
        self._variables = {encode[0](name): encode[1](text) for name, text in wanted.items()}
        zone = wanted.get("TZ", "UTC").lstrip(":")
        self._zone = None if zone == "UTC" and host.is_utc else ("UTC0" if zone == "UTC" else zone)
        self._path = [self.code_uri, *(path for path in sys.path if path != self.code_uri)]
        self._folder = self.code_uri if os.path.isdir(self.code_uri) else _working_folder()
        self._policy = new_policy()
        self._saved: tuple[Any, ...] = ()

    def _can_share(self) -> bool:
        """Not when the name belongs to another file already: another function's module, or a package."""
        name = self.handler.rpartition(".")[0].replace("/", ".")
        path = getattr(sys.modules.get(name), "__file__", None)
        return path is None or os.path.realpath(path).startswith(os.path.realpath(self.code_uri) + os.sep)

    def _write(self, text: str) -> None:
        self.log(text)

    # --- the handler ----------------------------------------------------------------------------

    def load(self) -> None:
        """Import the module, inside. Raises Fault, or what the module raises."""
        name, function = split_handler(self.handler)
        module = import_handler_module(name, self.names)
        if self.shared:
            adopt(module)
        handler_of(module, name, function)
        self._module = module

    @property
    def loaded(self) -> bool:
        """Whether the module is there."""
        return self._module is not None

    def function(self) -> Any:
        """The handler as it is now: a test may have replaced it."""
        assert self._module is not None
        name, function = split_handler(self.handler)
        return handler_of(self._module, name, function)

    def finish_output(self) -> None:
        """The invocation is over."""
        for stream in self._streams:
            stream.finish()

    # --- switching ------------------------------------------------------------------------------

    def enter(self, now_us: int, loop: Any) -> None:
        """Let this environment's world be the process's. `loop` is asyncio's running loop, or None."""
        host = self.host
        folder = _working_folder()
        self._saved = (
            sys.stdout,
            sys.stderr,
            sys.path,
            _environ._data,
            _events._event_loop_policy,
            asyncio._get_running_loop(),
            folder,
            logging.root,
            logging.Logger.manager,
            host.hide_c_variables(),
        )
        sys.stdout, sys.stderr = self._streams
        sys.path = self._path
        _environ._data = self._variables
        _events._event_loop_policy = self._policy
        asyncio._set_running_loop(loop)
        if folder != self._folder:
            os.chdir(self._folder)
        host.root.handlers.append(self._log_handler)
        if not self.shared:
            self.modules.enter()
            _logging.root = logging.Logger.root = self._root
            logging.Logger.manager = self._manager
        if self._zone is not None:
            os.putenv("TZ", self._zone)
            time.tzset()
        host.traveller.move_to_us(now_us)
        host.traveller.enter()

    def leave(self) -> Any:
        """Put everything back; returns asyncio's running loop of the handler."""
        host = self.host
        host.traveller.leave()
        if self._zone is not None:
            if host.timezone is None:
                os.unsetenv("TZ")
            else:
                os.putenv("TZ", host.timezone)
            time.tzset()
        if not self.shared:
            self.modules.leave()
        host.root.handlers.remove(self._log_handler)
        loop = asyncio._get_running_loop()
        self._path = sys.path
        self._folder = _working_folder()
        (
            sys.stdout,
            sys.stderr,
            sys.path,
            _environ._data,
            _events._event_loop_policy,
            outer_loop,
            folder,
            _logging.root,
            manager,
            outside,
        ) = self._saved
        logging.Logger.root = _logging.root
        logging.Logger.manager = manager
        asyncio._set_running_loop(outer_loop)
        host.show_c_variables(outside)
        if folder != self._folder:
            os.chdir(folder)
        return loop


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.sep


def _nowhere(text: str) -> None:
    """Where lines go that a handler writes after its end."""
