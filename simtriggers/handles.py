"""Named resources as the Python API shows them: each operation as a method, or as a coroutine.

Holds no state: what is asked is built by operations.py and notifications.py, and carried out by the simulation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from .notifications import NotificationOperations, TopicOperations
from .operations import BucketOperations, Operation, QueueOperations

T = TypeVar("T")
P = ParamSpec("P")
Ops = TypeVar("Ops", QueueOperations, BucketOperations, TopicOperations, NotificationOperations)

Perform = Callable[[Operation[Any]], Any]


class _Handle:
    """A named resource; each call is carried out by `perform`."""

    def __init__(self, operations: Any, perform: Perform) -> None:
        self._operations = operations
        self._perform = perform
        self.name: str = operations.name
        self.arn: str = operations.arn


def _sync(build: Callable[Concatenate[Ops, P], Operation[T]]) -> Callable[Concatenate[Any, P], T]:
    def call(self: _Handle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = self._perform(build(self._operations, *args, **kwargs))
        return result

    call.__doc__, call.__name__ = build.__doc__, build.__name__
    return call


def _asynchronous(
    build: Callable[Concatenate[Ops, P], Operation[T]],
) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    async def call(self: _Handle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await self._perform(build(self._operations, *args, **kwargs))
        return result

    call.__doc__, call.__name__ = build.__doc__, build.__name__
    return call


class Queue(_Handle):
    """A queue of the simulation; raises AwsFault where AWS answers an error."""

    send = _sync(QueueOperations.send)
    send_batch = _sync(QueueOperations.send_batch)
    receive = _sync(QueueOperations.receive)
    delete = _sync(QueueOperations.delete)
    delete_batch = _sync(QueueOperations.delete_batch)
    change_visibility = _sync(QueueOperations.change_visibility)
    change_visibility_batch = _sync(QueueOperations.change_visibility_batch)
    purge = _sync(QueueOperations.purge)
    attributes = _sync(QueueOperations.attributes)
    set_attributes = _sync(QueueOperations.set_attributes)
    tags = _sync(QueueOperations.tags)
    tag = _sync(QueueOperations.tag)
    untag = _sync(QueueOperations.untag)
    url = _sync(QueueOperations.url)
    start_message_move_task = _sync(QueueOperations.start_message_move_task)
    cancel_message_move_task = _sync(QueueOperations.cancel_message_move_task)
    list_message_move_tasks = _sync(QueueOperations.list_message_move_tasks)
    messages = _sync(QueueOperations.messages)


class AsyncQueue(_Handle):
    """`Queue` with coroutines."""

    send = _asynchronous(QueueOperations.send)
    send_batch = _asynchronous(QueueOperations.send_batch)
    receive = _asynchronous(QueueOperations.receive)
    delete = _asynchronous(QueueOperations.delete)
    delete_batch = _asynchronous(QueueOperations.delete_batch)
    change_visibility = _asynchronous(QueueOperations.change_visibility)
    change_visibility_batch = _asynchronous(QueueOperations.change_visibility_batch)
    purge = _asynchronous(QueueOperations.purge)
    attributes = _asynchronous(QueueOperations.attributes)
    set_attributes = _asynchronous(QueueOperations.set_attributes)
    tags = _asynchronous(QueueOperations.tags)
    tag = _asynchronous(QueueOperations.tag)
    untag = _asynchronous(QueueOperations.untag)
    url = _asynchronous(QueueOperations.url)
    start_message_move_task = _asynchronous(QueueOperations.start_message_move_task)
    cancel_message_move_task = _asynchronous(QueueOperations.cancel_message_move_task)
    list_message_move_tasks = _asynchronous(QueueOperations.list_message_move_tasks)
    messages = _asynchronous(QueueOperations.messages)


class Bucket(_Handle):
    """A bucket of the simulation; raises AwsFault where AWS answers an error."""

    put = _sync(BucketOperations.put)
    delete = _sync(BucketOperations.delete)
    head = _sync(BucketOperations.head)
    get = _sync(BucketOperations.get)
    copy = _sync(BucketOperations.copy)
    delete_many = _sync(BucketOperations.delete_many)
    put_notification_configuration = _sync(BucketOperations.put_notification_configuration)
    notification_configuration = _sync(BucketOperations.notification_configuration)
    versions = _sync(BucketOperations.versions)
    tag = _sync(BucketOperations.tag)
    untag = _sync(BucketOperations.untag)
    tags = _sync(BucketOperations.tags)
    put_acl = _sync(BucketOperations.put_acl)
    restore = _sync(BucketOperations.restore)
    create_multipart_upload = _sync(BucketOperations.create_multipart_upload)
    upload_part = _sync(BucketOperations.upload_part)
    complete_multipart_upload = _sync(BucketOperations.complete_multipart_upload)
    abort_multipart_upload = _sync(BucketOperations.abort_multipart_upload)
    list = _sync(BucketOperations.list)


class AsyncBucket(_Handle):
    """`Bucket` with coroutines."""

    put = _asynchronous(BucketOperations.put)
    delete = _asynchronous(BucketOperations.delete)
    head = _asynchronous(BucketOperations.head)
    get = _asynchronous(BucketOperations.get)
    copy = _asynchronous(BucketOperations.copy)
    delete_many = _asynchronous(BucketOperations.delete_many)
    put_notification_configuration = _asynchronous(BucketOperations.put_notification_configuration)
    notification_configuration = _asynchronous(BucketOperations.notification_configuration)
    versions = _asynchronous(BucketOperations.versions)
    tag = _asynchronous(BucketOperations.tag)
    untag = _asynchronous(BucketOperations.untag)
    tags = _asynchronous(BucketOperations.tags)
    put_acl = _asynchronous(BucketOperations.put_acl)
    restore = _asynchronous(BucketOperations.restore)
    create_multipart_upload = _asynchronous(BucketOperations.create_multipart_upload)
    upload_part = _asynchronous(BucketOperations.upload_part)
    complete_multipart_upload = _asynchronous(BucketOperations.complete_multipart_upload)
    abort_multipart_upload = _asynchronous(BucketOperations.abort_multipart_upload)
    list = _asynchronous(BucketOperations.list)


class Topic(_Handle):
    """A topic of the simulation; raises AwsFault where AWS answers an error."""

    publish = _sync(TopicOperations.publish)
    publish_batch = _sync(TopicOperations.publish_batch)
    attributes = _sync(TopicOperations.attributes)
    set_attribute = _sync(TopicOperations.set_attribute)
    tags = _sync(TopicOperations.tags)
    tag = _sync(TopicOperations.tag)
    untag = _sync(TopicOperations.untag)
    add_permission = _sync(TopicOperations.add_permission)
    remove_permission = _sync(TopicOperations.remove_permission)
    subscriptions = _sync(TopicOperations.subscriptions)
    subscribe = _sync(TopicOperations.subscribe)
    confirm_subscription = _sync(TopicOperations.confirm_subscription)
    unsubscribe = _sync(TopicOperations.unsubscribe)
    subscription_attributes = _sync(TopicOperations.subscription_attributes)
    set_subscription_attribute = _sync(TopicOperations.set_subscription_attribute)


class AsyncTopic(_Handle):
    """`Topic` with coroutines."""

    publish = _asynchronous(TopicOperations.publish)
    publish_batch = _asynchronous(TopicOperations.publish_batch)
    attributes = _asynchronous(TopicOperations.attributes)
    set_attribute = _asynchronous(TopicOperations.set_attribute)
    tags = _asynchronous(TopicOperations.tags)
    tag = _asynchronous(TopicOperations.tag)
    untag = _asynchronous(TopicOperations.untag)
    add_permission = _asynchronous(TopicOperations.add_permission)
    remove_permission = _asynchronous(TopicOperations.remove_permission)
    subscriptions = _asynchronous(TopicOperations.subscriptions)
    subscribe = _asynchronous(TopicOperations.subscribe)
    confirm_subscription = _asynchronous(TopicOperations.confirm_subscription)
    unsubscribe = _asynchronous(TopicOperations.unsubscribe)
    subscription_attributes = _asynchronous(TopicOperations.subscription_attributes)
    set_subscription_attribute = _asynchronous(TopicOperations.set_subscription_attribute)


class Notifications(_Handle):
    """SNS itself, apart from its topics; raises AwsFault where AWS answers an error."""

    publish_to_phone = _sync(NotificationOperations.publish_to_phone)
    topics = _sync(NotificationOperations.topics)
    subscriptions = _sync(NotificationOperations.subscriptions)


class AsyncNotifications(_Handle):
    """`Notifications` with coroutines."""

    publish_to_phone = _asynchronous(NotificationOperations.publish_to_phone)
    topics = _asynchronous(NotificationOperations.topics)
    subscriptions = _asynchronous(NotificationOperations.subscriptions)
