"""YAML files as plain data that remembers where everything stands.

Owns reading, positions, keys that come twice and tags; syntax.py words what is no YAML at all.
Knows no project and no scenario: what the data means is for the models (see `validate`). YAML is data
here: nothing in a file can make an object or run code.

Values come as YAML 1.2 has them, with three departures, each so that a text stays what was written:
dates and times are strings, digits with a leading zero (an account id) are strings, and a key is always
the text that stands in the file.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from ..errors import UserError, UserErrors, Where
from .syntax import syntax_error, unreadable

KeyPath = tuple[str | int, ...]
"""The way from the top of a document to a value: keys of mappings and indexes of lists."""

_YAML = "tag:yaml.org,2002:"
_MAX_VALUES = 200_000
_MOST_JOINED = 50
_NULL, _BOOL, _INT, _FLOAT = (_YAML + name for name in ("null", "bool", "int", "float"))
_TEXTS = {_YAML + "str", _YAML + "timestamp", _YAML + "value", _YAML + "merge"}
_TRUE = {"true", "yes", "on", "y"}


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds. `data` is made of dict, list, str, int, float, bool and None.

    `file` is the name that errors show.
    """

    file: str
    data: Any
    _values: dict[KeyPath, Where] = field(default_factory=dict, repr=False)
    _keys: dict[KeyPath, Where] = field(default_factory=dict, repr=False)

    def where(self, path: KeyPath, key: bool = False) -> Where:
        """The place of the value at `path`, or of the key that leads to it.

        A path that the document does not have gives the place of the nearest one above it.
        """
        for length in range(len(path), 0, -1):
            part = path[:length]
            if (key or part not in self._values) and part in self._keys:
                return self._keys[part]
            if part in self._values:
                return self._values[part]
        return self._values.get((), Where(self.file))

    def get(self, path: KeyPath, default: Any = None) -> Any:
        """The value at `path`, or `default` when the document does not go that far."""
        found = self.data
        for step in path:
            inside = isinstance(found, dict) and step in found
            listed = isinstance(found, list) and isinstance(step, int) and 0 <= step < len(found)
            if not inside and not listed:
                return default
            found = found[step]
        return found

    def error(self, path: KeyPath, problem: str, *, rule: str = "", fix: str = "", key: bool = False) -> UserError:
        """A UserError about the value at `path`, or about its key."""
        return UserError(problem, where=self.where(path, key), rule=rule, fix=fix)


def load_yaml(path: str | Path, *, name: str | None = None, wrong: list[UserError] | None = None) -> Document:
    """Read a YAML file. `name` is how errors call it (default: `path`, without detours).

    Raises UserError for a file that cannot be read, is empty, or is not one YAML document. Mistakes that leave the
    rest readable (a key that comes twice, a tag) are put into `wrong`, if it is given, and raised if not.
    """
    shown = name or _without_detours(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"there is no file {shown}", fix="check the path, or make the file") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"byte {error.start} is not UTF-8",
            where=Where(shown),
            fix="save the file with the encoding UTF-8",
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"cannot read {shown}: {reason}", fix="check the path and its permissions") from None
    return parse_yaml(text, shown, wrong=wrong)


def _without_detours(path: str | Path) -> str:
    """`simtriggers.yaml` for `scenarios/../simtriggers.yaml`, unless a symbolic link leads elsewhere."""
    plain = os.path.normpath(path)
    return plain if os.path.realpath(plain) == os.path.realpath(path) else str(path)


def parse_yaml(text: str, name: str, *, wrong: list[UserError] | None = None) -> Document:
    """The document of a text; `name` is the file that errors name. Raises and fills `wrong` as `load_yaml`."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is not None and root.tag != _NULL:
            return _Builder(name).document(root, wrong)
    except MarkedYAMLError as error:
        raise syntax_error(error, text, name) from None
    except (ReaderError, YAMLError) as error:
        raise unreadable(error, text, name) from None
    except RecursionError:
        raise UserError(
            "lists or mappings stand too deep inside each other", where=Where(name), fix="use fewer levels"
        ) from None
    raise UserError("the file is empty", where=Where(name), fix="write the first key into it, such as 'queues:'")


def suggest(name: str, known: Iterable[str]) -> str:
    """The fix for a name that does not exist: the nearest one that does, or all of them if they are few.

    AWS's own spelling (`VisibilityTimeout`) finds ours. Empty when nothing is known.
    """
    names = sorted(set(known))
    plain = {re.sub(r"[-_ ]", "", each).lower(): each for each in reversed(names)}
    near = get_close_matches(re.sub(r"[-_ ]", "", name).lower(), plain, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{plain[near[0]]}'?"
    if not names or len(names) > 12:
        return ""
    return f"write {names[0]}" if len(names) == 1 else f"write one of {', '.join(names)}"


def raise_all(errors: Iterable[UserError]) -> None:
    """Raise the errors in order of their places: one as it is, several as UserErrors. None: return."""
    ordered = sorted(errors, key=_place)
    if len(ordered) == 1:
        raise ordered[0]
    if ordered:
        raise UserErrors(ordered)


def and_also(wrong: list[UserError], found: Iterable[UserError]) -> list[UserError]:
    """What `load_yaml` put into `wrong`, and what was found in the data beside it: of one place, only the first."""
    places = {error.where for error in wrong}
    return [*wrong, *(error for error in found if error.where not in places)]


def _place(error: UserError) -> tuple[str, int, int]:
    where = error.where or Where("")
    return where.file, where.line, where.column


# --- from nodes to data ---------------------------------------------------------------------------


class _Builder:
    """Turns the nodes of one document into data, and writes down where each value and key stands."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._made = Document(name, None)
        self._open: list[Node] = []
        self._count = 0
        self._errors: list[UserError] = []

    def document(self, root: Node, wrong: list[UserError] | None) -> Document:
        data = self._value(root, ())
        if wrong is None:
            raise_all(self._errors)
        else:
            wrong += self._errors
        return Document(self._name, data, self._made._values, self._made._keys)

    def _where(self, node: Node) -> Where:
        return Where(self._name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _fail(self, node: Node, problem: str, *, rule: str = "", fix: str = "") -> None:
        self._errors.append(UserError(problem, where=self._where(node), rule=rule, fix=fix))

    def _value(self, node: Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES:
            self._fail(node, f"the file holds more than {_MAX_VALUES} values", fix="use fewer aliases")
            raise_all(self._errors)
        self._made._values[path] = self._where(node)
        if any(node is outer for outer in self._open):
            self._fail(node, "an alias stands inside of what it names", fix="write the value out")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if not isinstance(node, MappingNode | SequenceNode) or node.tag not in (_YAML + "map", _YAML + "seq"):
            return self._unknown_tag(node)
        self._open.append(node)
        try:
            if isinstance(node, SequenceNode):
                return [self._value(each, (*path, index)) for index, each in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._fail(key, "a key is a list or a mapping", fix="write a plain name as the key")
            elif key.tag == _YAML + "merge":
                merged += value.value if isinstance(value, SequenceNode) else [value]
            else:
                self._pair(own, key, value, path)
        return self._with_merged(own, merged, path)

    def _pair(self, own: dict[str, Any], key: ScalarNode, value: Node, path: KeyPath) -> None:
        name = self._text(key)
        place = (*path, name)
        if name in own:
            first = self._made._keys[place].line
            problem = f"the key '{name}' comes twice; it is also on line {first}"
            self._fail(key, problem, fix="keep one of the two, or rename one")
            if isinstance(own[name], dict) and isinstance(value, MappingNode) and len(self._errors) < _MOST_JOINED:
                own[name] = self._joined(own[name], value, place)
            return
        self._made._keys[place] = self._where(key)
        own[name] = self._value(value, place)
        if own[name] is None and not value.value:
            self._made._values[place] = self._made._keys[place]

    def _joined(self, first: dict[str, Any], second: MappingNode, place: KeyPath) -> dict[str, Any]:
        """The mappings of a key that comes twice, as if they were one: what refers to either is no mistake too."""
        values, keys = dict(self._made._values), dict(self._made._keys)
        more = self._value(second, place)
        self._made._values.update(values)
        self._made._keys.update(keys)
        return {**more, **first} if isinstance(more, dict) else first

    def _with_merged(self, own: dict[str, Any], merged: list[Node], path: KeyPath) -> dict[str, Any]:
        """The mapping's own keys first, then those that `<<` brings and that it does not have itself."""
        for source in merged:
            if not isinstance(source, MappingNode):
                self._fail(source, "'<<' takes a mapping or a list of mappings", fix="name an anchor, as in *base")
                continue
            missing = [pair for pair in source.value if getattr(pair[0], "value", None) not in own]
            self._open.append(source)
            own |= self._mapping(MappingNode(source.tag, missing, source.start_mark, source.end_mark), path)
            self._open.pop()
        return own

    def _scalar(self, node: ScalarNode) -> Any:
        tag, text = node.tag, node.value
        if tag in _TEXTS:
            return self._text(node)
        if tag == _NULL:
            return None
        if tag == _BOOL:
            return text.lower() in _TRUE
        if tag in (_INT, _FLOAT):
            return self._number(node)
        return self._unknown_tag(node)

    def _text(self, node: ScalarNode) -> str:
        """The text of a scalar; the surrogate pairs of JSON become the character they mean."""
        text = str(node.value)
        try:
            text.encode()
        except UnicodeEncodeError:
            try:
                return text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self._fail(node, "half of a surrogate pair stands alone", fix="write the character itself")
        return text

    def _number(self, node: ScalarNode) -> int | float | str:
        text = node.value
        if node.tag == _INT and re.fullmatch(r"[-+]?0\d+", text):
            return str(text)
        try:
            number = int(text.replace("_", ""), 0) if node.tag == _INT else float(text.replace("_", ""))
        except ValueError:
            number = math.nan
        if isinstance(number, float) and not math.isfinite(number):
            self._fail(
                node,
                f"{text} is not a number that JSON has",
                fix="write a finite number, or quotes around it",
            )
        return number

    def _unknown_tag(self, node: Node) -> None:
        tag = str(node.tag).replace(_YAML, "!!")
        self._fail(
            node,
            f"the tag {tag} means nothing here",
            rule="values are mappings, lists, texts, numbers, true, false and null; "
            "templates of CloudFormation and SAM are not read yet",
            fix="write the value without the tag",
        )
