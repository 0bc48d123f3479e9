"""Which names of a folder are keys: temporary names, names that cannot be keys, and walks over the tree."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..services.s3.commands import FileIdentity
from ..services.s3.events import key_bytes
from ..services.s3.objects import KEY_LIMIT
from .completeness import identity_of

ALWAYS_IGNORED = (".simtriggers/",)
"""The state of a simulator itself, when the watched folder is the project's own."""


class Names:
    """The keys of one folder. `patterns` are names of files, or with a `/` at the end of folders, that are
    passed over in silence (temporary names of programs that copy and save)."""

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = (*ALWAYS_IGNORED, *patterns)
        self._file = _compiled(one for one in listed if not one.endswith("/"))
        self._folder = _compiled(one.rstrip("/") for one in listed if one.endswith("/"))

    def ignores_folder(self, name: str) -> bool:
        """A folder whose files are passed over."""
        return self._folder.fullmatch(name) is not None

    def ignores_below(self, key: str) -> bool:
        """Whether the files of a folder are passed over, for its name or that of a folder above it."""
        return any(map(self.ignores_folder, key.split("/")))

    def ignores(self, key: str) -> bool:
        """A file that is passed over, for its own name or for that of a folder above it."""
        *folders, name = key.split("/")
        return self._file.fullmatch(name) is not None or any(map(self.ignores_folder, folders))


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    joined = "|".join(f"(?:{fnmatch.translate(one)})" for one in patterns)
    return re.compile(joined or r"(?!)")


def key_of(relative: str) -> str:
    """The key of a path below the folder. macOS stores names decomposed; keys are composed, as typed."""
    key = relative.replace(os.sep, "/") if os.sep != "/" else relative
    return unicodedata.normalize("NFC", key) if sys.platform == "darwin" else key


def key_problem(key: str) -> str:
    """Why a name cannot be a key, or nothing."""
    try:
        size = key_bytes(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return f"its key has {size} bytes, S3 takes {KEY_LIMIT}" if size > KEY_LIMIT else ""


def shown(key: str) -> str:
    """A key that any file can show: bytes that are not UTF-8 as escapes."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Tree:
    """What a walk found. `files` by key with size and identity (None for what is not a file),
    `folders` by key, and why a folder could not be read."""

    files: dict[str, tuple[int, FileIdentity] | None] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def walk(root: str, below: str, names: Names) -> Tree:
    """Everything below a folder of `root` (`` for all) that is not passed over.

    Links to folders are not followed; folders that vanish on the way are left out.
    """
    tree = Tree()
    todo = [below]
    while todo:
        folder = todo.pop()
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(f"{root}/{folder}") as found:
                for item in found:
                    key = key_of(prefix + item.name)
                    if item.is_dir(follow_symlinks=False):
                        if not names.ignores_folder(item.name):
                            todo.append(key)
                            tree.folders.append(key)
                    elif not names.ignores(item.name):
                        tree.files[key] = _plain(item)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            tree.unreadable[folder] = f"cannot be read: {error.strerror or error}"
    return tree


def _plain(item: os.DirEntry[str]) -> tuple[int, FileIdentity] | None:
    try:
        if not item.is_file():
            return None
        found = item.stat()
    except OSError:
        return None
    return found.st_size, identity_of(found)
