"""Named resources as the Python API shows them: each operation as a method, or as a coroutine.

Holds no state: what is asked is built by operations.py and its like, and carried out by the simulation. A
kind of resource lists its calls once; its two classes differ in how they wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from .events import BusOperations, EventOperations
from .notifications import NotificationOperations, TopicOperations
from .operations import BucketOperations, Operation, QueueOperations
from .scheduling import ScheduleGroupOperations, ScheduleOperations, SchedulerOperations

T = TypeVar("T")
P = ParamSpec("P")
Ops = TypeVar(
    "Ops",
    QueueOperations,
    BucketOperations,
    TopicOperations,
    NotificationOperations,
    ScheduleOperations,
    ScheduleGroupOperations,
    SchedulerOperations,
    BusOperations,
    EventOperations,
)

Perform = Callable[[Operation[Any]], Any]
"""Carries out an operation: returns its result, or a coroutine that does."""


class Handle:
    """A named resource; each call is carried out by `perform`."""

    def __init__(self, operations: Any, perform: Perform) -> None:
        self.operations = operations
        self.perform = perform
        self.name: str = operations.name
        self.arn: str = operations.arn


class AsyncHandle(Handle):
    """A named resource whose calls are awaited."""


class Call(Generic[P, T]):
    """One operation as a method: plain on a `Handle`, a coroutine on an `AsyncHandle`."""

    def __init__(self, build: Callable[Concatenate[Ops, P], Operation[T]]) -> None:
        self._build: Callable[..., Operation[T]] = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, handle: AsyncHandle, owner: object) -> Callable[P, Awaitable[T]]: ...

    @overload
    def __get__(self, handle: Handle, owner: object) -> Callable[P, T]: ...

    @overload
    def __get__(self, handle: None, owner: object) -> Call[P, T]: ...

    def __get__(self, handle: Handle | None, owner: object) -> Any:
        """The method of a handle; on the class, this call itself."""
        if handle is None:
            return self
        build = self._build

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return handle.perform(build(handle.operations, *args, **kwargs))

        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await call(*args, **kwargs)

        method = awaited if isinstance(handle, AsyncHandle) else call
        method.__doc__, method.__name__ = build.__doc__, build.__name__
        return method


class _QueueCalls:
    send = Call(QueueOperations.send)
    send_batch = Call(QueueOperations.send_batch)
    receive = Call(QueueOperations.receive)
    delete = Call(QueueOperations.delete)
    delete_batch = Call(QueueOperations.delete_batch)
    change_visibility = Call(QueueOperations.change_visibility)
    change_visibility_batch = Call(QueueOperations.change_visibility_batch)
    purge = Call(QueueOperations.purge)
    attributes = Call(QueueOperations.attributes)
    set_attributes = Call(QueueOperations.set_attributes)
    tags = Call(QueueOperations.tags)
    tag = Call(QueueOperations.tag)
    untag = Call(QueueOperations.untag)
    url = Call(QueueOperations.url)
    start_message_move_task = Call(QueueOperations.start_message_move_task)
    cancel_message_move_task = Call(QueueOperations.cancel_message_move_task)
    list_message_move_tasks = Call(QueueOperations.list_message_move_tasks)
    messages = Call(QueueOperations.messages)


class _BucketCalls:
    put = Call(BucketOperations.put)
    delete = Call(BucketOperations.delete)
    head = Call(BucketOperations.head)
    get = Call(BucketOperations.get)
    copy = Call(BucketOperations.copy)
    delete_many = Call(BucketOperations.delete_many)
    put_notification_configuration = Call(BucketOperations.put_notification_configuration)
    notification_configuration = Call(BucketOperations.notification_configuration)
    versions = Call(BucketOperations.versions)
    tag = Call(BucketOperations.tag)
    untag = Call(BucketOperations.untag)
    tags = Call(BucketOperations.tags)
    put_acl = Call(BucketOperations.put_acl)
    restore = Call(BucketOperations.restore)
    create_multipart_upload = Call(BucketOperations.create_multipart_upload)
    upload_part = Call(BucketOperations.upload_part)
    complete_multipart_upload = Call(BucketOperations.complete_multipart_upload)
    abort_multipart_upload = Call(BucketOperations.abort_multipart_upload)
    list = Call(BucketOperations.list)


class _TopicCalls:
    publish = Call(TopicOperations.publish)
    publish_batch = Call(TopicOperations.publish_batch)
    attributes = Call(TopicOperations.attributes)
    set_attribute = Call(TopicOperations.set_attribute)
    tags = Call(TopicOperations.tags)
    tag = Call(TopicOperations.tag)
    untag = Call(TopicOperations.untag)
    add_permission = Call(TopicOperations.add_permission)
    remove_permission = Call(TopicOperations.remove_permission)
    subscriptions = Call(TopicOperations.subscriptions)
    subscribe = Call(TopicOperations.subscribe)
    confirm_subscription = Call(TopicOperations.confirm_subscription)
    unsubscribe = Call(TopicOperations.unsubscribe)
    subscription_attributes = Call(TopicOperations.subscription_attributes)
    set_subscription_attribute = Call(TopicOperations.set_subscription_attribute)


class _NotificationsCalls:
    publish_to_phone = Call(NotificationOperations.publish_to_phone)
    topics = Call(NotificationOperations.topics)
    subscriptions = Call(NotificationOperations.subscriptions)


class _ScheduleCalls:
    create = Call(ScheduleOperations.create)
    update = Call(ScheduleOperations.update)
    get = Call(ScheduleOperations.get)
    delete = Call(ScheduleOperations.delete)


class _ScheduleGroupCalls:
    create = Call(ScheduleGroupOperations.create)
    get = Call(ScheduleGroupOperations.get)
    delete = Call(ScheduleGroupOperations.delete)
    tags = Call(ScheduleGroupOperations.tags)
    tag = Call(ScheduleGroupOperations.tag)
    untag = Call(ScheduleGroupOperations.untag)


class _SchedulerCalls:
    schedules = Call(SchedulerOperations.schedules)
    groups = Call(SchedulerOperations.groups)


class _BusCalls:
    put_events = Call(BusOperations.put_events)
    put_event = Call(BusOperations.put_event)
    describe = Call(BusOperations.describe)
    delete = Call(BusOperations.delete)
    put_permission = Call(BusOperations.put_permission)
    remove_permission = Call(BusOperations.remove_permission)
    put_rule = Call(BusOperations.put_rule)
    delete_rule = Call(BusOperations.delete_rule)
    enable_rule = Call(BusOperations.enable_rule)
    disable_rule = Call(BusOperations.disable_rule)
    describe_rule = Call(BusOperations.describe_rule)
    rules = Call(BusOperations.rules)
    rule_names_by_target = Call(BusOperations.rule_names_by_target)
    put_targets = Call(BusOperations.put_targets)
    remove_targets = Call(BusOperations.remove_targets)
    targets = Call(BusOperations.targets)


class _EventsCalls:
    put_events = Call(EventOperations.put_events)
    test_event_pattern = Call(EventOperations.test_event_pattern)
    create_event_bus = Call(EventOperations.create_event_bus)
    event_buses = Call(EventOperations.event_buses)
    create_archive = Call(EventOperations.create_archive)
    update_archive = Call(EventOperations.update_archive)
    describe_archive = Call(EventOperations.describe_archive)
    delete_archive = Call(EventOperations.delete_archive)
    archives = Call(EventOperations.archives)
    start_replay = Call(EventOperations.start_replay)
    cancel_replay = Call(EventOperations.cancel_replay)
    describe_replay = Call(EventOperations.describe_replay)
    replays = Call(EventOperations.replays)
    put_connection = Call(EventOperations.put_connection)
    put_api_destination = Call(EventOperations.put_api_destination)
    describe_connection = Call(EventOperations.describe_connection)
    describe_api_destination = Call(EventOperations.describe_api_destination)
    delete_connection = Call(EventOperations.delete_connection)
    delete_api_destination = Call(EventOperations.delete_api_destination)
    connections = Call(EventOperations.connections)
    api_destinations = Call(EventOperations.api_destinations)


class Queue(_QueueCalls, Handle):
    """A queue of the simulation; raises AwsFault where AWS answers an error."""


class AsyncQueue(_QueueCalls, AsyncHandle):
    """`Queue` with coroutines."""


class Bucket(_BucketCalls, Handle):
    """A bucket of the simulation; raises AwsFault where AWS answers an error."""


class AsyncBucket(_BucketCalls, AsyncHandle):
    """`Bucket` with coroutines."""


class Topic(_TopicCalls, Handle):
    """A topic of the simulation; raises AwsFault where AWS answers an error."""


class AsyncTopic(_TopicCalls, AsyncHandle):
    """`Topic` with coroutines."""


class Notifications(_NotificationsCalls, Handle):
    """SNS itself, apart from its topics; raises AwsFault where AWS answers an error."""


class AsyncNotifications(_NotificationsCalls, AsyncHandle):
    """`Notifications` with coroutines."""


class Schedule(_ScheduleCalls, Handle):
    """A schedule of EventBridge Scheduler; raises AwsFault where AWS answers an error."""


class AsyncSchedule(_ScheduleCalls, AsyncHandle):
    """`Schedule` with coroutines."""


class ScheduleGroup(_ScheduleGroupCalls, Handle):
    """A group of schedules; raises AwsFault where AWS answers an error."""


class AsyncScheduleGroup(_ScheduleGroupCalls, AsyncHandle):
    """`ScheduleGroup` with coroutines."""


class Scheduler(_SchedulerCalls, Handle):
    """EventBridge Scheduler itself: lists of schedules and groups."""


class AsyncScheduler(_SchedulerCalls, AsyncHandle):
    """`Scheduler` with coroutines."""


class EventBus(_BusCalls, Handle):
    """An event bus of the simulation; raises AwsFault where AWS answers an error."""


class AsyncEventBus(_BusCalls, AsyncHandle):
    """`EventBus` with coroutines."""


class Events(_EventsCalls, Handle):
    """EventBridge itself, apart from its buses; raises AwsFault where AWS answers an error."""


class AsyncEvents(_EventsCalls, AsyncHandle):
    """`Events` with coroutines."""
