"""The house rules hold in the repository, and each rule sees a small sample that breaks it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import simtriggers.services
from simtriggers.kernel import codec
from simtriggers.kernel.service import Service
from tests import tidy

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = tidy.sources(ROOT, "simtriggers")
TESTS = tidy.sources(ROOT, "tests", "benchmarks")
ENTRY_POINTS = {"simtriggers", "simtriggers.__main__", "simtriggers.cli", "simtriggers.pytest_plugin"}


def _none(complaints: list[str]) -> None:
    assert not complaints, "\n" + "\n".join(complaints)


def test_nothing_is_too_long() -> None:
    _none(tidy.too_long(PACKAGE + TESTS))


def test_everything_public_says_what_it_is() -> None:
    _none(tidy.undocumented(PACKAGE))


def test_only_the_kernel_knows_time_and_chance() -> None:
    bans, free = tidy.ruff_bans(ROOT / "pyproject.toml")
    assert {"time.time", "time.sleep", "datetime.datetime.now", "random", "uuid.uuid4", "os.urandom"} <= set(bans)
    _none(tidy.banned(PACKAGE, bans, free))


def test_tests_do_not_sleep_and_do_not_patch() -> None:
    _none(tidy.banned(TESTS, tidy.TEST_BANS, tidy.TEST_BANS_DO_NOT_HOLD_IN))


def test_no_work_is_promised_without_an_issue() -> None:
    _none(tidy.unfinished(PACKAGE + TESTS))


def test_no_module_is_dead() -> None:
    _none(tidy.dead_modules(PACKAGE, ENTRY_POINTS))


def test_no_file_names_a_path_of_one_machine() -> None:
    _none(tidy.machine_paths(ROOT, tidy.tracked(ROOT)))


def test_every_command_says_what_happens_when_it_is_late() -> None:
    """What a service has a rule for may lie in the agenda over a restart: it must be a `@command`."""
    services = []
    for found in pkgutil.iter_modules(simtriggers.services.__path__):
        module = importlib.import_module(f"simtriggers.services.{found.name}.service")
        assert isinstance(module.SERVICE, Service)
        services.append(module.SERVICE)
    late = {cls for service in services for cls in service.rules}
    assert len(services) > 1
    assert [cls.__qualname__ for cls in late if cls not in codec._overdue] == []


# --- the rules themselves -----------------------------------------------------------------------------


def _sample(tmp_path: Path, **files: str) -> list[tidy.Source]:
    for name, text in files.items():
        path = tmp_path / "pkg" / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tidy.sources(tmp_path, "pkg")


def test_a_long_file_and_a_long_function_are_seen(tmp_path: Path) -> None:
    body = "    x = 1\n"
    files = {
        "long": "x = 1\n" * 501,
        "fits": "x = 1\n" * 500,
        "function": "def f():\n" + body * 60,
        "fitting": 'def f():\n    """Words\n    that do not count."""\n' + body * 59,
    }
    assert tidy.too_long(_sample(tmp_path, **files)) == [
        "pkg/function.py:1: f has 61 lines without its docstring, at most 60; give its parts names",
        "pkg/long.py:1: 501 lines, at most 500; split it by what its parts own",
    ]


def test_a_service_table_with_logic_is_seen(tmp_path: Path) -> None:
    files = _sample(tmp_path, services__in__sqs__in__service="x = 1\n" * 61)
    assert tidy.too_long(files) == [
        "pkg/services/sqs/service.py:1: 61 lines, at most 60; split it by what its parts own"
    ]


def test_what_says_nothing_is_seen(tmp_path: Path) -> None:
    text = "def _a(): ...\ndef b(): ...\nclass C:\n    '''Words.'''\n    def d(self): ...\n"
    text += "    def __len__(self): ...\n    def _e(self): ...\n"
    files = _sample(tmp_path, none=text, dots='"""."""\n', fine='"""What this module owns."""\n')
    assert [line.partition(";")[0] for line in tidy.undocumented(files)] == [
        "pkg/dots.py:1: the module's docstring is missing or empty",
        "pkg/none.py:1: the module's docstring is missing or empty",
        "pkg/none.py:2: b has no docstring",
        "pkg/none.py:5: C.d has no docstring",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import time\nx = time.time()\n", "2: time.time"),
        ("import time as t\nx = t.time()\n", "2: time.time"),
        ("from time import time as now\n", "1: time.time"),
        ("import datetime\nx = datetime.datetime.now()\n", "2: datetime.datetime.now"),
        ("from datetime import datetime\nx = datetime.now()\n", "2: datetime.datetime.now"),
        ("import random\nx = random.Random(1)\n", "2: random.Random"),
        ("from uuid import uuid4\n", "1: uuid.uuid4"),
        ("from os import urandom\n", "1: os.urandom"),
    ],
)
def test_a_banned_name_is_seen_however_it_is_imported(tmp_path: Path, text: str, line: str) -> None:
    bans, _ = tidy.ruff_bans(ROOT / "pyproject.toml")
    found = tidy.banned(_sample(tmp_path, a=text), bans)
    assert f"pkg/a.py:{line} is banned" in {each.partition(";")[0] for each in found}
    assert tidy.banned(_sample(tmp_path, a=text), bans, ["pkg/*"]) == []


def test_harmless_namesakes_are_not_banned(tmp_path: Path) -> None:
    bans, _ = tidy.ruff_bans(ROOT / "pyproject.toml")
    text = '"""time.time() in words."""\nfrom uuid import UUID\nfrom datetime import datetime\n'
    text += "clock.time()\ntime.time\nids.random(1)\ndatetime.fromtimestamp(0)\nUUID\n"
    assert tidy.banned(_sample(tmp_path, a=text), bans) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import time\ntime.sleep(1)\n", "2: time.sleep"),
        ("from unittest.mock import patch\n", "1: unittest.mock.patch"),
        ("from unittest import mock\n", "1: unittest.mock"),
    ],
)
def test_sleeping_and_patching_tests_are_seen(tmp_path: Path, text: str, line: str) -> None:
    found = tidy.banned(_sample(tmp_path, a=text), tidy.TEST_BANS)
    assert f"pkg/a.py:{line} is banned" in {each.partition(";")[0] for each in found}


@pytest.mark.parametrize(
    ("comment", "seen"),
    [("TO" + "DO later", True), ("TO" + "DO(#12) later", False), ("HA" + "CK", True), ("a todo list", False)],
)
def test_promises_need_an_issue(tmp_path: Path, comment: str, seen: bool) -> None:
    assert bool(tidy.unfinished(_sample(tmp_path, a=f"x = 1  # {comment}\n"))) is seen


def test_dead_modules_are_seen(tmp_path: Path) -> None:
    files = _sample(
        tmp_path,
        __init__="",
        main="from . import used\nfrom .sub.inner import x\nLAZY = {'up': 'lazy:command'}\n",
        used="import pkg.absolute\nSCRIPT = 'script.py'\n",
        scripts__in__script="",
        absolute="",
        lazy="",
        dead="from . import dead\n",
        sub__in____init__="",
        sub__in__inner="from ..above import y\n",
        above="",
    )
    assert tidy.dead_modules(files, {"pkg.main"}) == ["pkg/dead.py:1: nothing imports it; use it or remove it"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("see " + "/ro" + "ot/notes.txt", True),
        ("'/ho" + "me/anna/code'", True),
        ("/Us" + "ers/anna/x", True),
        ("/ho" + "me/sbx_user1051/x", False),
        ("simtriggers/wo" + "rk/x", False),
        ("./ro" + "ot/x", False),
        ("/tmp/x /var/task/app.py", False),
    ],
)
def test_machine_paths_are_seen(tmp_path: Path, text: str, seen: bool) -> None:
    (tmp_path / "a.txt").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe")
    found = tidy.machine_paths(tmp_path, [tmp_path / "a.txt", tmp_path / "b.bin"])
    assert bool(found) is seen


def test_rules_know_the_repository(tmp_path: Path) -> None:
    """An empty list of files would let every rule pass."""
    assert len(PACKAGE) > 30
    assert len(TESTS) > 5
    assert {source.module for source in PACKAGE} >= {"simtriggers", "simtriggers.kernel.clock"}
    assert tidy.tracked(tmp_path) == []
