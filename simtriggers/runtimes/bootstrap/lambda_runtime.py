"""What Lambda's Python runtime does around a handler: finding it, its context, its errors, its answer.

Shared by the subprocess (which loads this file by its path, under any Python from 3.9) and by the runtimes
that work inside simtriggers, so that all behave alike. Standard library only; imports nothing of the
package; starts nothing.

Source: AWS Lambda's open-source Python runtime interface client, and the AWS Lambda Developer Guide,
"Lambda function handler in Python", "Using the Lambda context object".
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import inspect
import json
import logging
import math
import os
import re
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import ModuleType
from typing import Any

TASK_ROOT = "/var/task"
MAXIMUM_RESPONSE_BYTES = 6_291_556
"""Source: AWS Lambda Developer Guide, quotas (6 MB, plus the 100 bytes that the service's own error names)."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_NO_BREAK_SPACE = "\u00a0"


class Fault(Exception):
    """What the runtime itself finds wrong: `error_type` such as `Runtime.HandlerNotFound`."""

    def __init__(self, error_type: str, message: str, trace: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = list(trace)


# --- files as Lambda names them -----------------------------------------------------------------


class Names:
    """Turns paths of this machine into those of a deployed function.

    The code folder and installed packages are `/var/task`, the standard library is `/var/lang/lib/pythonX.Y`.
    """

    def __init__(self, code_uri: str) -> None:
        library = f"/var/lang/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
        paths = sysconfig.get_paths()
        pairs = {paths["purelib"]: TASK_ROOT, paths["platlib"]: TASK_ROOT, paths["stdlib"]: library}
        pairs[os.path.realpath(paths["stdlib"])] = library
        pairs[os.path.realpath(code_uri)] = pairs[code_uri.rstrip("/") or "/"] = TASK_ROOT
        self._pairs = sorted(pairs.items(), key=lambda pair: (-len(pair[0]), pair[0]))
        self._hidden = "" if code_uri.startswith(_PACKAGE) else _PACKAGE + os.sep

    def of(self, path: str) -> str:
        """The file's name on Lambda; unchanged when it lies elsewhere."""
        for prefix, name in self._pairs:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", os.sep):
                return name + path[len(prefix) :].replace(os.sep, "/")
        return path

    def within(self, text: str) -> str:
        """A message of the import system, with the paths it holds renamed."""
        for prefix, name in self._pairs:
            text = text.replace(prefix + os.sep, name + "/")
        return text

    def hides(self, path: str) -> bool:
        """Whether a frame of this file belongs to the runtime and not to the function."""
        if self._hidden:
            return path.startswith(self._hidden)
        return path.startswith(os.path.join(_PACKAGE, "runtimes") + os.sep)


# --- handler ------------------------------------------------------------------------------------


def split_handler(handler: str) -> tuple[str, str]:
    """Module (`/` taken for `.`) and function of `package/module.function`. Raises Fault."""
    try:
        module, function = handler.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    return module, function


def import_handler_module(module: str, names: Names) -> ModuleType:
    """Import the handler's module. Raises Fault for what Lambda names; other errors are the module's own."""
    try:
        return importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        text = names.within(str(error))
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {text}") from error
    except SyntaxError as error:
        place = f'  File "{names.of(str(error.filename))}" Line {error.lineno}\n    {error.text}'
        text = names.within(str(error))
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {text}", [place]) from error


def handler_of(module: ModuleType, name: str, function: str) -> Callable[[Any, Any], Any]:
    """The function itself. Raises Fault when the module has none of that name."""
    try:
        found: Callable[[Any, Any], Any] = getattr(module, function)
    except AttributeError:
        message = f"Handler '{function}' missing on module '{name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None
    return found


# --- errors -------------------------------------------------------------------------------------


def error_document(error: BaseException, names: Names, request_id: str) -> dict[str, Any]:
    """`errorMessage`, `errorType`, `requestId` (empty for errors of the init phase), `stackTrace`."""
    if isinstance(error, Fault):
        message, kind, trace = error.message, error.error_type, error.trace
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not names.hides(frame.filename)]
        rows = [(names.of(frame.filename), frame.lineno, frame.name, frame.line) for frame in frames]
        message, kind = str(error), type(error).__name__
        trace = traceback.format_list(rows)  # type: ignore[arg-type]
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def error_log(document: dict[str, Any]) -> str:
    """The one log event that Lambda's runtime writes for an error; spaces of indent become U+00A0."""
    message = f": {document['errorMessage']}" if document["errorMessage"] else ""
    lines = [f"[ERROR] {document['errorType']}{message}", "Traceback (most recent call last):"]
    for part in document["stackTrace"]:
        for line in part.splitlines():
            text = line.lstrip(" ")
            lines.append(_NO_BREAK_SPACE * (len(line) - len(text)) + text)
    return clean("\n".join(lines))


def answer_of(payload: str) -> tuple[str, str]:
    """Status and payload of an answer: the error document in its place when it is above the limit."""
    if len(payload) * 4 <= MAXIMUM_RESPONSE_BYTES or len(payload.encode()) <= MAXIMUM_RESPONSE_BYTES:
        return "ok", payload
    message = f"Response payload size exceeded maximum allowed payload size ({MAXIMUM_RESPONSE_BYTES} bytes)."
    return "error", json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})


# --- events and answers -------------------------------------------------------------------------


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def unmarshal(event: str) -> Any:
    """The event as the handler gets it. Raises Fault."""
    try:
        return json.loads(event)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


_DECIMAL = "\ue000simtriggers-decimal "
_DECIMALS = re.compile(re.escape(_DECIMAL).join(('"', '([^"]*)"')))


def marshal(answer: Any) -> str:
    """The answer's JSON as Lambda writes it: `, ` and `: `, NaN allowed, Decimal as a number, named tuples
    as objects, bytes inside as text, no escapes for non-ASCII. Raises Fault.
    """
    if isinstance(answer, bytes):
        return _raw_answer(answer)
    plain = _plain(answer)
    try:
        return clean(_encoder.encode(plain))
    except TypeError:
        return _marshal_slowly(plain)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


_encoder = json.JSONEncoder(ensure_ascii=False)


def _marshal_slowly(plain: Any) -> str:
    """For what the plain encoder does not know."""
    decimals: list[Decimal] = []

    def default(item: Any) -> Any:
        if isinstance(item, Decimal):
            if item.is_nan():
                return math.nan
            decimals.append(item)
            return _DECIMAL + str(item)
        if isinstance(item, bytes):
            return item.decode("utf-8")
        raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")

    try:
        text = json.dumps(plain, ensure_ascii=False, default=default)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    if decimals:
        text = _DECIMALS.sub(lambda found: found[1], text)
    return clean(text)


def _raw_answer(answer: bytes) -> str:
    text = answer.decode("utf-8", "replace")
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text


def _plain(answer: Any) -> Any:
    try:
        return _named_tuples(answer)
    except RecursionError:
        return answer  # json says what is wrong with it


def _named_tuples(item: Any) -> Any:
    kind = type(item)
    if kind is dict:
        return {key: _named_tuples(part) for key, part in item.items()}
    if kind is list or kind is tuple:
        return [_named_tuples(part) for part in item]
    if isinstance(item, tuple) and callable(getattr(item, "_asdict", None)):
        return {key: _named_tuples(part) for key, part in item._asdict().items()}  # type: ignore[attr-defined]
    return item


# --- context ------------------------------------------------------------------------------------


class _Members:
    """An object with the named keys of a dict as attributes; None for those that are not there."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, row: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, row.get(name))

    def __repr__(self) -> str:
        inside = ",".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}([{inside}])"


class CognitoIdentity(_Members):
    """Always there; both None unless a Cognito identity called."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Members):
    """The mobile client that called."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")


class ClientContext(_Members):
    """What the caller sent as ClientContext."""

    __slots__ = ("client", "custom", "env")


class LambdaContext:
    """The second argument of a handler. Source: Lambda Developer Guide, "Lambda context object in Python".

    `clock_ms` is the time that `deadline_ms` is compared with.
    """

    def __init__(self, row: dict[str, Any], clock_ms: Callable[[], int], write: Callable[[str], None]) -> None:
        self.aws_request_id: str = row["request_id"]
        self.log_group_name: str = row["log_group_name"]
        self.log_stream_name: str = row["log_stream_name"]
        self.function_name: str = row["function_name"]
        self.memory_limit_in_mb = str(row["memory_mb"])
        self.function_version: str = row["function_version"]
        self.invoked_function_arn: str = row["invoked_function_arn"]
        self.tenant_id: str | None = None
        self.client_context: ClientContext | None = None
        if row.get("client_context"):
            self.client_context = ClientContext(_client_context(row["client_context"]))
            if self.client_context.client is not None:  # type: ignore[attr-defined]
                self.client_context.client = Client(self.client_context.client)  # type: ignore[attr-defined]
        self.identity = CognitoIdentity({})
        self._epoch_deadline_time_in_ms: int = row["deadline_ms"]
        self._clock_ms = clock_ms
        self._write = write

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is ended by its timeout; never below 0."""
        return max(0, self._epoch_deadline_time_in_ms - self._clock_ms())

    def log(self, message: object) -> None:
        """Write one log event, without a newline of its own."""
        self._write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )  # fmt: skip
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"


def _client_context(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
        assert isinstance(row, dict)
    except (ValueError, AssertionError) as error:
        message = f"Unable to parse Client Context JSON: {error}"
        raise Fault("Runtime.LambdaContextUnmarshalError", message) from None
    return row


# --- log ----------------------------------------------------------------------------------------


class LogHandler(logging.Handler):
    """The handler on the root logger: `[LEVEL]`, time, request id and message, with tabs between."""

    def __init__(self, write: Callable[[str], None], request_id: Callable[[], str]) -> None:
        super().__init__()
        self._write = write
        self._request_id = request_id
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one log event."""
        record.aws_request_id = self._request_id()
        self._write(clean(self.format(record)))


COROUTINE_HINT = (
    "simtriggers: the handler is an async function; Lambda calls it without awaiting it. "
    "Make it a plain function that returns asyncio.run(...).\n"
)


def attempt(
    function: Callable[[Any, Any], Any],
    event: str,
    make_context: Callable[[], LambdaContext],
    *,
    names: Names,
    request_id: str,
    write: Callable[[str], None],
) -> tuple[str, str]:
    """Run a handler once: `ok` and its answer, or `error` and the error document, which is logged.

    SystemExit and its like go through: they end the process.
    """
    try:
        answer = function(unmarshal(event), make_context())
        if inspect.iscoroutine(answer):
            answer.close()
            write(COROUTINE_HINT)
        return answer_of(marshal(answer))
    except Exception as error:
        document = error_document(error, names, request_id)
        write(error_log(document))
        return "error", marshal(document)


# --- boto3 --------------------------------------------------------------------------------------


class NotConnected(RuntimeError):
    """A call to AWS from a handler, while the simulated endpoint does not take such calls."""


def refuse_call(method: str, url: str) -> NotConnected:
    """The error of a botocore request that would have left the machine."""
    return NotConnected(
        f"simtriggers: boto3 calls from handlers are not connected yet ({method} {url.split('?')[0]}); "
        "nothing left the machine"
    )


_refusals: list[Callable[[], bool]] = []


def guard_botocore(refuses: Callable[[], bool]) -> None:
    """Make botocore's one way to the network raise NotConnected wherever `refuses()` is true.

    Covers copies of botocore that are imported later, vendored ones as well. For good: once per predicate.
    """
    _refusals.append(refuses)
    if len(_refusals) == 1:
        sys.meta_path.insert(0, _BotocoreFinder())
        loaded = sys.modules.get(_BotocoreFinder.target)
        if loaded is not None:
            _guard_module(loaded)


def _guard_module(module: ModuleType) -> None:
    session = module.URLLib3Session
    real_send = session.send

    def send(self: Any, request: Any) -> Any:
        if any(refuses() for refuses in _refusals):
            raise refuse_call(str(request.method), str(request.url))
        return real_send(self, request)

    session.send = send


class _BotocoreFinder(importlib.abc.MetaPathFinder):
    """Finds botocore's HTTP module as others would, and guards it once it is loaded."""

    target = "botocore.httpsession"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """None for everything but the one module."""
        if fullname != self.target:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _GuardedLoader(spec.loader)
        return spec


class _GuardedLoader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _guard_module(module)
