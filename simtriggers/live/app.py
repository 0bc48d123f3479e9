"""`simtriggers up`: a project live. Ties the engine, the folders, the endpoint and the reload together.

Declares the project's resources, takes the wiring off what it no longer declares, and goes on from the
stored state. Prints nothing by itself: it tells its `Screen`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc

from .. import __version__
from ..aws.arn import name_of
from ..aws.contracts import PutResource, RemoveResource
from ..errors import SimtriggersError, StateError, UserError
from ..kernel.clock import iso_ms
from ..kernel.codec import to_json
from ..kernel.effects import Refused
from ..kernel.trace import TraceRow
from ..operations import Operation
from ..project.declare import Declared, bucket_folder, declare, removals
from ..project.load import Document, raise_all, suggest
from ..project.model import Project, load_runnable
from ..project.references import singular
from ..project.validate import check
from ..registry import SERVICES
from ..runtimes.live import LiveRuntimes
from ..scenario import steps
from ..scenario.model import Step
from ..scenario.names import names_of
from ..services.s3.config import parse_bucket
from ..services.s3.requests import CopyObject, UploadPartCopy
from ..services.sns.commands import ConfirmSubscription, Unsubscribe
from .driver import LiveEngine
from .endpoint import HOST, Server, bind, server
from .folders import BucketFolder
from .object_copies import copy_object, copy_part
from .object_files import COMMANDS, ObjectFiles
from .sources import Places, Sources

_LAST_ANSWERS_S = 1.0
_STORED = "SELECT arn, kind FROM resources WHERE declared_by = 'project' AND wired = 1 ORDER BY arn"
_UNWIRED = "SELECT arn FROM resources WHERE declared_by = 'project' AND wired = 0 ORDER BY arn"


class Screen(Protocol):
    """Where a live simulator says what happens."""

    def ready(self, app: LiveApp) -> None:
        """Everything is up."""

    def row(self, row: TraceRow) -> None:
        """A trace row was committed."""

    def log(self, function: str, text: str) -> None:
        """A handler wrote a line."""

    def problem(self, text: str) -> None:
        """Something is wrong that does not end the run."""

    def reloaded(self, what: str) -> None:
        """The project or a handler's code changed and was taken over."""

    def stopping(self, running: list[str]) -> None:
        """Stopping; these handlers still run."""


@dataclass(frozen=True)
class Options:
    """How to run. `port` 0 takes a free one; `state` None is the project's own file. `prune`: what the project no
    longer declares goes at the start, with its data."""

    project_path: Path
    port: int = 4566
    state: Path | None = None
    speed: float = 1.0
    synchronous: str = "normal"
    watch_code: bool = True
    prune: bool = False


class LiveApp:
    """One live simulator. `await serve()` runs it until it is told to stop."""

    def __init__(self, options: Options, screen: Screen) -> None:
        self.options = options
        self.screen = screen
        self.project: Project = load_runnable(options.project_path)
        self._sources = Sources(self._places, screen.problem) if options.watch_code else None
        self.state = (options.state or self.project.state_path).resolve()
        self.listener: socket.socket = bind(options.port)
        self.port = int(self.listener.getsockname()[1])
        self._server: Server = server(self)
        self._folders: dict[str, anyio.CancelScope] = {}
        self._watched: dict[str, str] = {}
        self._objects: dict[str, ObjectFiles] = {}
        self._reloading: anyio.CancelScope | None = None
        self._ready = False
        self.interrupted = False
        self._http_over: anyio.Event
        self._told_to_stop: anyio.Event
        self._heeding: anyio.CancelScope
        self._tasks: anyio.abc.TaskGroup
        self.runtimes: LiveRuntimes
        self.engine: LiveEngine

    @property
    def url(self) -> str:
        """The endpoint's address."""
        return f"http://{HOST}:{self.port}"

    # --- the run --------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Run until SIGINT or SIGTERM; `interrupted` tells afterwards whether it was ended in the middle.

        Raises StateError or UserError for what cannot start.
        """
        self.runtimes = LiveRuntimes(lambda: self.engine.clock.now_ms(), on_log=self.screen.log)
        self.engine = LiveEngine(
            SERVICES,
            self.project.names,
            self.state,
            runtime=self.runtimes,
            speed=self.options.speed,
            synchronous=self.options.synchronous,
            trace=self.project.trace,
            retention_ms=self.project.trace_retention_ms,
            on_problem=self.screen.problem,
        )
        self._http_over = anyio.Event()
        self._told_to_stop = anyio.Event()
        try:
            make_state_folder(self.state)
            await self.engine.open()
            self.engine.trace.subscribe(self.screen.row)
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._heed_signals)
                await tasks.start(self._run_engine)
                try:
                    await self._start(tasks)
                    await self._told_to_stop.wait()
                finally:
                    if self._ready:
                        self.screen.stopping(self.engine.running())
                    self._stop(tasks)
        finally:
            self.listener.close()

    async def _start(self, tasks: anyio.abc.TaskGroup) -> None:
        tasks.start_soon(self._serve_http)
        await self._declare(tasks, self.project)
        if self.options.prune:
            await self._prune()
        if self._sources is not None:
            tasks.start_soon(self._follow_sources, self._sources)
        self._ready = True
        self.screen.ready(self)

    def _stop(self, tasks: anyio.abc.TaskGroup) -> None:
        self._ready = False
        self._server.should_exit = True
        for scope in self._folders.values():
            scope.cancel()
        if self._reloading is not None:
            self._reloading.cancel()
        self.engine.stop()

    async def _run_engine(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        await self.engine.run(task_status=task_status)
        # Everybody who waited has been answered: a client that never ends its request is not waited for.
        with anyio.move_on_after(_LAST_ANSWERS_S):
            await self._http_over.wait()
        self._server.hang_up()
        self._heeding.cancel()

    async def _serve_http(self) -> None:
        await self._server.serve(sockets=[self.listener])
        self._http_over.set()

    async def _heed_signals(self) -> None:
        """The first signal ends the run in order; one before it is up, or a second one, ends it at once."""
        with (
            anyio.CancelScope() as self._heeding,
            anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        ):
            async for _ in signals:
                if self._told_to_stop.is_set() or not self._ready:
                    self.interrupted = True
                    self._tasks.cancel_scope.cancel()
                self._told_to_stop.set()

    # --- resources ------------------------------------------------------------------------------

    async def _declare(self, tasks: anyio.abc.TaskGroup, project: Project) -> None:
        """Bring the stored resources to what the project says, and watch the buckets' folders.

        Raises UserError for what AWS refuses.
        """
        cause = self.engine.engine.root_cause
        declared = declare(project, default_runtime="process", folders=True, base_url=self.url)
        stored = await self.engine.read(lambda db: db.execute(_STORED).fetchall())
        buckets = {each.command.name: each for each in declared if each.command.kind == "bucket"}
        for name, each in buckets.items():
            if name not in self._folders or self._watched.get(name) != _folder_config(each):
                self._make_folder(name, each.command.config["folder"])
        for arn, command in removals(declared, stored):
            await self._tell(arn, command, cause)
        for each in declared:
            await self._tell(each.arn, each.command, cause)
        for name in [name for name in self._folders if self._watched.get(name) != _folder_config(buckets.get(name))]:
            self._folders.pop(name).cancel()
            self._objects.pop(name, None)
        self._watched = {name: _folder_config(each) for name, each in buckets.items()}
        for name, each in buckets.items():
            if name not in self._folders:
                await self._watch_bucket(tasks, name, each.arn, each.command.config)

    async def _prune(self) -> None:
        """Remove what lost its wiring, with its messages, objects and rows. Files of folders stay."""
        cause = self.engine.engine.root_cause

        async def unwired() -> list[tuple[str]]:
            return await self.engine.read(lambda db: db.execute(_UNWIRED).fetchall())

        for (arn,) in await unwired():
            if (arn,) in await unwired():  # else it went with another one
                await self._tell(arn, RemoveResource(), cause)

    async def _tell(self, arn: str, command: PutResource | RemoveResource, cause: int) -> None:
        reply = await self.engine.submit(arn, command, cause=cause)
        if isinstance(reply, Refused):
            raise UserError(f"{arn}: {reply.message}")

    async def _watch_bucket(self, tasks: anyio.abc.TaskGroup, name: str, arn: str, config: dict[str, Any]) -> None:
        settings = parse_bucket(config)
        if not settings.folder:
            return
        objects = ObjectFiles(arn, settings, self.engine.submit, state=self.state.parent)
        self._objects[name] = objects
        folder = BucketFolder(arn, settings, self.engine.submit, copies=objects)
        await objects.settle()
        self._folders[name] = await tasks.start(self._run_folder, folder)

    def _make_folder(self, name: str, path: str) -> None:
        """Make a bucket's folder where it is missing: before anything is declared, because it may be impossible."""
        folder = Path(path)
        if not path or os.path.isdir(path):
            return
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(
                f"the folder of bucket {name} cannot be made: {folder}: {reason}",
                fix=f"make it, or correct buckets.{name}.folder",
            ) from None
        self.screen.problem(f"bucket {name}: the folder {folder} was not there and has been made; drop files into it")

    async def _run_folder(
        self,
        folder: BucketFolder,
        *,
        task_status: anyio.abc.TaskStatus[anyio.CancelScope] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as inner:
                await inner.start(folder.run)
                task_status.started(scope)

    # --- reload ---------------------------------------------------------------------------------

    async def _follow_sources(self, sources: Sources) -> None:
        with anyio.CancelScope() as self._reloading:
            await sources.follow(self._reload)

    def _places(self) -> Places:
        functions, buckets = self.project.resources.functions, self.project.resources.buckets.values()
        return Places(
            tuple(sorted({self.project.folder, *(self.project.code_uri(name) for name in functions)})),
            frozenset(bucket_folder(self.project, each.folder) for each in buckets if each.folder),
        )

    async def _reload(self, what: str) -> None:
        """Take over the project and its code as they now are. A mistake is shown, and what ran before goes on."""
        try:
            project = load_runnable(self.options.project_path)
            await self._declare(self._tasks, project)
            self.project = project
            await self.runtimes.retire_all()
        except SimtriggersError as error:
            self.screen.problem(f"not reloaded, what ran before goes on:\n{error}")
            return
        self.screen.reloaded(what)

    # --- the endpoint ---------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """What `GET /_simtriggers/health` shows."""
        resources = self.project.resources
        return {
            "status": "running" if self._ready else "starting",
            "version": __version__,
            "time": iso_ms(self.engine.clock.now_ms()),
            "speed": self.options.speed,
            "state": str(self.state),
            "process": os.getpid(),
            "buckets": list(resources.buckets),
            "queues": list(resources.queues),
            "functions": list(resources.functions),
            "running": self.engine.running(),
        }

    async def follow_link(self, action: str, parameters: Mapping[str, str]) -> str:
        """What a link of an SNS message does; returns the subscription's ARN."""
        if action == "ConfirmSubscription":
            arn, command = parameters.get("TopicArn", ""), ConfirmSubscription(parameters.get("Token", ""))
            return str(Operation(arn, command, str).result(await self.engine.submit(arn, command)))
        if action == "Unsubscribe":
            arn = parameters.get("SubscriptionArn", "")
            Operation(arn, Unsubscribe(), str).result(await self.engine.submit(arn, Unsubscribe()))
            return arn
        raise UserError(f"there is nothing at /?Action={action}", fix="see /_simtriggers/health")

    async def step(self, data: Any) -> Any:
        """Carry out one scenario step; returns what the operation answered, as JSON.

        Raises UserError for a step that is not well-formed or not for a live simulator, AwsFault for a refusal.
        """
        if not self._ready:
            raise SimtriggersError("the simulator is still starting; ask /_simtriggers/health until it answers 200")
        document = Document("step", data)
        step, errors = check(Step, document)
        raise_all(errors)
        assert step is not None
        if step.at is not None or step.after is not None:
            raise UserError("a live step happens now", fix="leave at and after out; use advance to let time pass")
        if step.restart is not None:
            raise UserError("a live simulator cannot restart itself", fix="stop it and start it again")
        if step.confirm_subscription is not None:
            raise UserError("a live endpoint confirms for itself", fix="open the SubscribeURL that it was sent")
        if step.advance is not None:
            return {"time": iso_ms(await self.engine.advance(step.advance * step.times))}
        self._check_names(step)
        results = [await self._carry_out(step, operation) for operation in self._operations(step)]
        return results[0] if step.times == 1 else results

    def _operations(self, step: Step) -> Iterator[Operation[Any]]:
        try:
            yield from steps.operations(step, self.project.names, self.project.folder, self._payload_text)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(
                f"the file cannot be read: {error.filename}: {reason}",
                fix="file is relative to the folder of the project",
            ) from None

    def _payload_text(self, digest: str) -> str:
        return self.engine.engine.reader.payload(digest)

    def _check_names(self, step: Step) -> None:
        resources = self.project.resources
        act = getattr(step, step.act())
        known = names_of(resources)
        key = getattr(act, "key", "")
        if key.encode(errors="ignore").decode() != key:
            raise UserError(f"the key {key!r} is no Unicode text", fix="write no half of a surrogate pair")
        for key, section in (
            ("bucket", "buckets"),
            ("queue", "queues"),
            ("topic", "topics"),
            ("function", "functions"),
            ("event_bus", "event_buses"),
            ("archive", "archives"),
            ("rule", "rules"),
        ):
            name = getattr(act, key, None)
            if name is not None and name not in known[section]:
                raise UserError(f"the project has no {singular(section)} {name!r}", fix=suggest(name, known[section]))

    async def _carry_out(self, step: Step, operation: Operation[Any]) -> Any:
        files = self._objects.get(getattr(getattr(step, step.act()), "bucket", ""))
        command, arn, submit = operation.command, operation.arn, self.engine.submit
        if files is not None and isinstance(command, COMMANDS):
            return _jsonable(operation.result(await files.carry_out(command)))
        if isinstance(command, CopyObject | UploadPartCopy):
            source = self._objects.get(name_of(command.source_bucket))
            if isinstance(command, CopyObject):
                return _jsonable(operation.result(await copy_object(submit, source, files, arn, command)))
            return _jsonable(operation.result(await copy_part(submit, source, arn, command)))
        await self.engine.store(operation.payloads)
        reply = await submit(arn, command)
        return _jsonable(await self.engine.read(lambda _: operation.result(reply)))


def _folder_config(declared: Declared | None) -> str:
    """What a watcher of a bucket's folder depends on: all settings but what the bucket triggers."""
    config = {} if declared is None else {**declared.command.config, "notifications": []}
    return to_json(config)


def _jsonable(result: Any) -> Any:
    if is_dataclass(result) and not isinstance(result, type):
        return asdict(result)
    return result


def make_state_folder(state: Path) -> None:
    """Make the folder of the state file, with a .gitignore of its own if it is ours (`.simtriggers`)."""
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        ignore = state.parent / ".gitignore"
        if state.parent.name == ".simtriggers" and not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise StateError(f"{state.parent}: the folder of the state cannot be made: {error}") from error
