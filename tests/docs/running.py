"""Runs the blocks of one page of documentation in a folder of its own.

- A block whose first line is `# NAME` is that file. When the page is through, its YAML must be without mistakes,
  but for a file whose name begins with `wrong`.
- `sh` is a script; where it has changed to, the next ones start. `console` is `$ command` lines with their
  output, compared: `…` stands for anything on a line, a line `…` for any lines. A command with a ` &` at its end
  goes on while the rest of the page runs.
- Other `yaml` is a project (with stub handlers made here), a scenario, or a list of steps, faults, expectations.
- Other `python` is a test module when it has tests, else a script.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simtriggers.cli.validate import _mistakes
from simtriggers.project.load import Document, parse_yaml
from simtriggers.project.validate import check
from simtriggers.scenario import runner
from simtriggers.scenario.model import Expectation, Fault, Step
from tests.docs.markdown import Block
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
PORT = "4567"
"""The port that pages use in `console` blocks; a free one is taken in its place."""

_PYTEST = ("pytest", "-p", "no:cacheprovider", "-p", "simtriggers.pytest_plugin")


class Page:
    """The world of one page."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._apart = folder / "apart"
        bin_folder = folder / "bin"
        for each in (self._home, self._apart / "scenarios", bin_folder):
            each.mkdir(parents=True)
        self._cwd = self._home
        self._status = 0
        self._named: list[Path] = []
        self._project = self._home
        self._background: list[tuple[subprocess.Popen[str], Path, list[str]]] = []
        self._port = _free_port()
        _shim(bin_folder / "simtriggers", "-m simtriggers")
        _shim(bin_folder / "pytest", " ".join(["-m", *_PYTEST]))
        _shim(bin_folder / "python", "")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "AWS_"))}
        self._environment = {**kept, "PATH": f"{bin_folder}:{kept['PATH']}", "PYTHONPATH": str(ROOT)}
        self._environment |= {"PYTHONHASHSEED": "0", "COLUMNS": "100", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}
        self._environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def run(self, blocks: list[Block]) -> None:
        """Run them in order; raises AssertionError for the first that is not as the page says."""
        try:
            for block in blocks:
                if not block.skipped:
                    self._run(block)
            for path in self._named:
                if path.suffix in (".yaml", ".yml") and not path.name.startswith("wrong"):
                    _validate(path)
        finally:
            for process, _, _ in self._background:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
                process.wait(timeout=PATIENCE_S)

    def _run(self, block: Block) -> None:
        if block.file:
            path = self._cwd / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            self._named.append(path)
            if path.name == "simtriggers.yaml":
                self._project = path.parent
        elif block.language == "sh":
            self._script(block.text)
        elif block.language == "console":
            for command, expected in _commands(block.text.replace(PORT, self._port)):
                self._console(command, expected)
        elif block.language == "yaml":
            self._yaml(block)
        elif block.language == "python":
            self._python(block)

    # --- shells ---------------------------------------------------------------------------------

    def _bash(self, script: str) -> subprocess.CompletedProcess[str]:
        place = self._apart / "cwd"
        done = subprocess.run(
            ["bash", "-c", f"{script}\n__status=$?; pwd > {place}; exit $__status"],
            cwd=self._cwd,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if place.exists():
            self._cwd = Path(place.read_text().strip())
        return done

    def _script(self, text: str) -> None:
        """A script. `make` is the continuous integration's to run."""
        done = self._bash("set -e\n" + re.sub(r"(?m)^make .*$", "", text) + "\nset +e")
        assert done.returncode == 0, f"$ {text}{done.stdout}"

    def _console(self, command: str, expected: list[str]) -> None:
        if command.endswith(" &"):
            self._start(command.removesuffix(" &"), expected)
            return
        deadline = time.monotonic() + (PATIENCE_S if self._background else 0.0)
        while True:
            done = self._bash(f"(exit {self._status})\n{command}")
            if _fits(done.stdout.splitlines(), expected) or time.monotonic() > deadline:
                break
            _pause(self._background[-1][0])
        self._status = done.returncode
        shown, wanted = done.stdout.rstrip(), "\n".join(expected)
        assert _fits(done.stdout.splitlines(), expected), f"$ {command}\nprints:\n{shown}\nthe page says:\n{wanted}"

    def _start(self, command: str, expected: list[str]) -> None:
        output = self._apart / f"output-{len(self._background)}"
        with output.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._cwd,
                env=self._environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._background.append((process, output, expected))
        deadline = time.monotonic() + PATIENCE_S
        while not _fits(output.read_text().splitlines(), expected):
            assert time.monotonic() < deadline and process.poll() is None, f"$ {command}\n{output.read_text()}"
            _pause(process)

    # --- yaml and python ------------------------------------------------------------------------

    def _yaml(self, block: Block) -> None:
        data = parse_yaml(block.text, f"line {block.line}").data
        if isinstance(data, list):
            for item in data:
                _check_item(item, block)
            return
        is_scenario = bool({"steps", "expect"} & data.keys())
        path = self._apart / ("scenarios/of_the_page.yaml" if is_scenario else "simtriggers.yaml")
        path.write_text(block.text, encoding="utf-8")
        _make_handlers(data, path.parent)
        self._project = self._project if is_scenario else self._apart
        _validate(path)
        if is_scenario:
            result = runner.run(path)
            assert result.passed, "\n".join(result.failures)

    def _python(self, block: Block) -> None:
        folder = self._project
        is_test = "def test_" in block.text
        path = folder / ("test_of_the_page.py" if is_test else "script_of_the_page.py")
        path.write_text(block.text, encoding="utf-8")
        arguments = ["-m", *_PYTEST, "-q"] if is_test else []
        done = subprocess.run(
            [sys.executable, *arguments, path.name],
            cwd=folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        path.unlink()
        assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"


def _pause(process: subprocess.Popen[str]) -> None:
    """A moment, in which something that runs beside the page goes on; shorter when it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.05)


def _shim(path: Path, arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
    path.chmod(0o755)


def _free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The `$ command` lines of a console block, each with the lines that it prints."""
    command, printed = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:], []
        else:
            printed.append(line)
    if command:
        yield command, printed


def _fits(printed: list[str], expected: list[str]) -> bool:
    """Whether the output is what the page says, `…` standing for anything."""
    parts = [r"(?:.*\n)*?" if line.strip() == "…" else f"{_line(line)}\n" for line in expected]
    text = "".join(f"{line.rstrip()}\n" for line in printed)
    return re.fullmatch("".join(parts), text) is not None


def _line(line: str) -> str:
    return re.escape(line.rstrip()).replace("…", ".*")


def _validate(path: Path) -> None:
    mistakes = _mistakes(path)
    assert not mistakes, "\n".join(error.render() for error in mistakes)


def _check_item(item: Any, block: Block) -> None:
    """An item of a list is a step, a fault or an expectation; the mistakes of the likeliest are shown."""
    found = []
    for model in (Step, Fault, Expectation):
        _, errors = check(model, Document(f"line {block.line}", item))
        if not errors:
            return
        found.append("\n".join(error.render() for error in errors))
    raise AssertionError(f"{item} is no step, fault or expectation:\n" + "\n".join(found))


def _make_handlers(data: dict[str, Any], folder: Path) -> None:
    """Modules for the handlers that a project names: functions that fail for what has the word poison in it."""
    for function in (data.get("functions") or {}).values():
        module, _, name = str(function.get("handler", "")).rpartition(".")
        if module:
            path = folder / str(function.get("code_uri", ".")) / (module.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"def {name}(event, context):\n    assert 'poison' not in str(event)\n\n\n")
        if function.get("env_file"):
            (folder / function["env_file"]).touch()
