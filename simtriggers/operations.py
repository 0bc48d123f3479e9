"""What can be asked of a project's resources, as values: an ARN, a command, and how to read the reply.

The Python API, sync and async, the scenario steps and the live endpoint all build on these, so that each
operation is written once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from .aws.arn import Names
from .aws.contracts import Ran, Run
from .aws.digests import Attribute, is_binary
from .errors import AwsFault, UserError
from .kernel.effects import Payload, Refused, payload
from .kernel.fixed import fixed
from .services.s3 import commands as s3
from .services.s3 import requests as s3more
from .services.sqs import commands as sqs
from .services.sqs import errors as sqs_errors

T = TypeVar("T")

_DATA_TYPES = ("String", "Number", "Binary")

MessageAttributes = Mapping[str, Any]
"""As boto3 takes them, `{"tenant": {"DataType": "String", "StringValue": "acme"}}`, or for short
`{"tenant": "acme", "count": 3, "raw": b"..."}`. The text of a BinaryValue is base64."""


@fixed
class Operation(Generic[T]):
    """One request. `payloads` are texts that must be stored with it; `read` turns the reply into a result."""

    arn: str
    command: Any
    read: Callable[[Any], T]
    payloads: tuple[Payload, ...] = ()

    def result(self, reply: Any) -> T:
        """The result of a reply. Raises AwsFault for a refusal."""
        if isinstance(reply, Refused):
            raise fault(reply)
        return self.read(reply)


def fault(refused: Refused) -> AwsFault:
    """A refusal as the error that the Python API raises."""
    return AwsFault(refused.code, refused.message, status=refused.status, fields=dict(refused.fields))


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """What Invoke answers. `payload` is the parsed response, or the error document when `function_error`
    is set. For an event (asynchronous) only `request_id` and `status_code` 202 are known."""

    request_id: str
    status_code: int
    payload: Any = None
    function_error: str | None = None
    log_tail: str = field(default="", repr=False)


def _same(reply: Any) -> Any:
    return reply


class QueueOperations:
    """Operations of one queue."""

    def __init__(self, names: Names, name: str) -> None:
        self.name = name
        self.arn = names.queue(name)
        self._names = names

    def send(
        self,
        body: str,
        *,
        delay_seconds: int | None = None,
        message_attributes: MessageAttributes | None = None,
        message_group_id: str | None = None,
        message_deduplication_id: str | None = None,
    ) -> Operation[sqs.SendResult]:
        """SendMessage. A body that is no text is sent as JSON. A FIFO queue needs `message_group_id`."""
        command = sqs.SendMessage(
            as_text(body),
            delay_seconds,
            attributes(message_attributes),
            message_group_id=message_group_id,
            message_deduplication_id=message_deduplication_id,
        )
        return Operation(self.arn, command, _same)

    def send_batch(self, entries: list[sqs.SendEntry]) -> Operation[sqs.BatchResult]:
        """SendMessageBatch of 1 to 10 entries."""
        return Operation(self.arn, sqs.SendMessageBatch(tuple(entries)), _same)

    def receive(
        self,
        max_number_of_messages: int = 1,
        *,
        visibility_timeout: int | None = None,
        wait_time_seconds: int | None = None,
        receive_request_attempt_id: str | None = None,
    ) -> Operation[list[sqs.Message]]:
        """ReceiveMessage with all attributes. Times are seconds; waiting takes virtual time."""
        command = sqs.ReceiveMessage(
            max_number_of_messages,
            visibility_timeout,
            wait_time_seconds,
            ("All",),
            ("All",),
            receive_request_attempt_id=receive_request_attempt_id,
        )
        return Operation(self.arn, command, lambda reply: list(reply.messages))

    def delete(self, message: sqs.Message | str) -> Operation[None]:
        """DeleteMessage of a received message, or of a receipt handle."""
        return Operation(self.arn, sqs.DeleteMessage(handle(message)), _same)

    def delete_batch(self, entries: list[sqs.DeleteEntry]) -> Operation[sqs.BatchResult]:
        """DeleteMessageBatch of 1 to 10 entries."""
        return Operation(self.arn, sqs.DeleteMessageBatch(tuple(entries)), _same)

    def change_visibility(self, message: sqs.Message | str, visibility_timeout: int) -> Operation[None]:
        """ChangeMessageVisibility, in seconds from now."""
        return Operation(self.arn, sqs.ChangeMessageVisibility(handle(message), visibility_timeout), _same)

    def change_visibility_batch(self, entries: list[sqs.VisibilityEntry]) -> Operation[sqs.BatchResult]:
        """ChangeMessageVisibilityBatch of 1 to 10 entries."""
        return Operation(self.arn, sqs.ChangeMessageVisibilityBatch(tuple(entries)), _same)

    def purge(self) -> Operation[None]:
        """PurgeQueue."""
        return Operation(self.arn, sqs.PurgeQueue(), _same)

    def attributes(self) -> Operation[dict[str, str]]:
        """GetQueueAttributes: all of them, by AWS's names."""
        return Operation(self.arn, sqs.GetQueueAttributes(), lambda reply: dict(reply.attributes))

    def set_attributes(self, attributes: Mapping[str, str]) -> Operation[None]:
        """SetQueueAttributes: texts by AWS's names; an empty text removes a policy."""
        return Operation(self.arn, sqs.SetQueueAttributes(tuple(attributes.items())), _same)

    def tags(self) -> Operation[dict[str, str]]:
        """ListQueueTags."""
        return Operation(self.arn, sqs.ListQueueTags(), lambda reply: dict(reply.tags))

    def tag(self, tags: Mapping[str, str]) -> Operation[None]:
        """TagQueue."""
        return Operation(self.arn, sqs.TagQueue(tuple(tags.items())), _same)

    def untag(self, keys: Iterable[str]) -> Operation[None]:
        """UntagQueue."""
        return Operation(self.arn, sqs.UntagQueue(tuple(keys)), _same)

    def url(self) -> Operation[str]:
        """GetQueueUrl."""
        return Operation(self.arn, sqs.GetQueueUrl(), lambda reply: str(reply.url))

    def start_message_move_task(
        self, destination: str | None = None, *, max_number_of_messages_per_second: int | None = None
    ) -> Operation[str]:
        """StartMessageMoveTask from this dead-letter queue to a queue by its name or ARN, or back to where the
        messages came from; returns the task handle."""
        arn = destination
        if destination is not None and not destination.startswith("arn:"):
            arn = self._names.queue(destination)
        command = sqs.StartMessageMoveTask(arn, max_number_of_messages_per_second)
        return Operation(self.arn, command, lambda reply: str(reply.task_handle))

    def cancel_message_move_task(self, task_handle: str) -> Operation[int]:
        """CancelMessageMoveTask; returns how many messages had been moved."""
        command = sqs.CancelMessageMoveTask(task_handle)
        return Operation(self.arn, command, lambda reply: int(reply.approximate_number_of_messages_moved))

    def list_message_move_tasks(self, max_results: int = 1) -> Operation[list[sqs.MoveTask]]:
        """ListMessageMoveTasks, the youngest first."""
        return Operation(self.arn, sqs.ListMessageMoveTasks(max_results), lambda reply: list(reply.results))

    def messages(self, limit: int = 10_000) -> Operation[list[sqs.PeekedMessage]]:
        """What lies in the queue, without receiving it."""
        return Operation(self.arn, sqs.PeekMessages(limit), lambda reply: list(reply.messages))


class BucketOperations:
    """Operations of one bucket."""

    def __init__(self, names: Names, name: str) -> None:
        self.name = name
        self.arn = names.bucket(name)
        self._names = names

    def put(
        self,
        key: str,
        body: Any = b"",
        *,
        content_type: str = s3.DEFAULT_CONTENT_TYPE,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str = "STANDARD",
        if_match: str | None = None,
        if_none_match: bool = False,
        form: bool = False,
    ) -> Operation[s3.ObjectPut]:
        """PutObject of a text or of bytes; another value is written as compact JSON.

        `if_none_match`: only if there is no such object; `if_match`: only over an object with that ETag.
        `form`: as a form's POST, which is another event.
        """
        content = bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else as_text(body)
        command = s3.put_object(
            key,
            content,
            content_type=content_type,
            properties=_properties(metadata, tags, storage_class),
            conditions=_conditions(if_match, "*" if if_none_match else None),
            operation="POST Object" if form else "PutObject",
        )
        return Operation(self.arn, command, _same)

    def copy(
        self,
        source_key: str,
        key: str,
        *,
        source_bucket: str | None = None,
        source_version_id: str = "",
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str = "STANDARD",
    ) -> Operation[s3more.ObjectCopied]:
        """CopyObject to this bucket, from it or from another by its name. `metadata` and `tags` replace the
        source's."""
        source = self.arn if source_bucket is None else self._names.bucket(source_bucket)
        command = s3more.CopyObject(
            source,
            source_key,
            key,
            source_version_id,
            None if metadata is None else s3.Properties(tuple(metadata.items())),
            tags=None if tags is None else tuple(tags.items()),
            storage_class=storage_class,
        )
        return Operation(self.arn, command, _same)

    def delete(self, key: str, version_id: str = "", *, if_match: str | None = None) -> Operation[s3.ObjectDeleted]:
        """DeleteObject, or one version of it; fine for a key that is not there, as on AWS."""
        return Operation(self.arn, s3.DeleteObject(key, None, version_id, _conditions(if_match, None)), _same)

    def delete_many(self, keys: Iterable[str]) -> Operation[list[s3.ObjectDeleted]]:
        """DeleteObjects: up to 1,000 keys."""
        command = s3more.DeleteObjects(tuple((key, "") for key in keys))
        return Operation(self.arn, command, lambda reply: list(reply.deleted))

    def head(self, key: str, version_id: str = "") -> Operation[s3.ObjectInfo]:
        """HeadObject, of a version if one is named."""
        return Operation(self.arn, s3.HeadObject(key, version_id), _same)

    def get(
        self,
        key: str,
        version_id: str = "",
        *,
        range: str = "",
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Operation[bytes]:
        """GetObject's content, or with `range` (`bytes=0-99`) a part of it."""
        command = s3.GetObject(key, version_id, _conditions(if_match, if_none_match), range)
        return Operation(self.arn, command, _content)

    def put_notification_configuration(
        self, configuration: Mapping[str, Any], *, skip_destination_validation: bool = False
    ) -> Operation[None]:
        """PutBucketNotificationConfiguration, in S3's shape: `{"QueueConfigurations": [{"QueueArn": …}]}`."""
        command = s3more.PutBucketNotificationConfiguration(dict(configuration), skip_destination_validation)
        return Operation(self.arn, command, _same)

    def notification_configuration(self) -> Operation[dict[str, Any]]:
        """GetBucketNotificationConfiguration."""
        return Operation(self.arn, s3more.GetBucketNotificationConfiguration(), _same)

    def versions(self, prefix: str = "") -> Operation[list[s3more.VersionInfo]]:
        """ListObjectVersions: up to 1,000 versions and delete markers, by key, the newest first."""
        return Operation(self.arn, s3more.ListObjectVersions(prefix), lambda reply: list(reply.versions))

    def tag(self, key: str, tags: Mapping[str, str], version_id: str = "") -> Operation[str | None]:
        """PutObjectTagging: these tags and no others."""
        return Operation(self.arn, s3more.PutObjectTagging(key, tuple(tags.items()), version_id), _same)

    def untag(self, key: str, version_id: str = "") -> Operation[str | None]:
        """DeleteObjectTagging."""
        return Operation(self.arn, s3more.DeleteObjectTagging(key, version_id), _same)

    def tags(self, key: str, version_id: str = "") -> Operation[dict[str, str]]:
        """GetObjectTagging."""
        return Operation(self.arn, s3more.GetObjectTagging(key, version_id), dict)

    def put_acl(self, key: str, acl: str, version_id: str = "") -> Operation[None]:
        """PutObjectAcl, such as `public-read`."""
        return Operation(self.arn, s3more.PutObjectAcl(key, acl, version_id), _same)

    def restore(self, key: str, days: int, *, tier: str = "Standard", version_id: str = "") -> Operation[int]:
        """RestoreObject: 202 when it was accepted, 200 when there is a copy already."""
        return Operation(self.arn, s3more.RestoreObject(key, days, tier, version_id), _same)

    def create_multipart_upload(
        self,
        key: str,
        *,
        content_type: str = s3.DEFAULT_CONTENT_TYPE,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str = "STANDARD",
    ) -> Operation[str]:
        """CreateMultipartUpload; returns the upload's id."""
        properties = _properties(metadata, tags, storage_class)
        return Operation(self.arn, s3more.CreateMultipartUpload(key, content_type, properties), _same)

    def upload_part(self, upload_id: str, part_number: int, body: str | bytes) -> Operation[str]:
        """UploadPart; returns the part's ETag."""
        return Operation(self.arn, s3more.UploadPart(upload_id, part_number, body), _same)

    def complete_multipart_upload(self, upload_id: str, parts: Iterable[tuple[int, str]]) -> Operation[s3.ObjectPut]:
        """CompleteMultipartUpload of (part number, ETag) pairs."""
        return Operation(self.arn, s3more.CompleteMultipartUpload(upload_id, tuple(parts)), _same)

    def abort_multipart_upload(self, upload_id: str) -> Operation[None]:
        """AbortMultipartUpload."""
        return Operation(self.arn, s3more.AbortMultipartUpload(upload_id), _same)

    def list(self, prefix: str = "") -> Operation[list[s3.ObjectInfo]]:
        """ListObjects: up to 1,000 under a prefix."""
        return Operation(self.arn, s3.ListObjects(prefix), lambda reply: list(reply.objects))


def _properties(
    metadata: Mapping[str, str] | None, tags: Mapping[str, str] | None, storage_class: str
) -> s3.Properties | None:
    if not metadata and not tags and storage_class == "STANDARD":
        return None
    return s3.Properties(tuple((metadata or {}).items()), tuple((tags or {}).items()), storage_class)


def _conditions(if_match: str | None, if_none_match: str | None) -> s3.Conditions | None:
    return None if if_match is None and if_none_match is None else s3.Conditions(if_match, if_none_match)


def _content(stored: s3.StoredObject) -> bytes:
    if stored.body is None:
        raise AwsFault("InvalidObjectState", "The content of this object is not in the database.", status=403)
    return stored.body.encode() if isinstance(stored.body, str) else stored.body


class FunctionOperations:
    """Operations of one function. `payload_text` looks up the text of a payload."""

    def __init__(self, names: Names, name: str, payload_text: Callable[[str], str]) -> None:
        self.name = name
        self.arn = names.function(name)
        self._payload_text = payload_text

    def invoke(
        self,
        event: Any = None,
        *,
        invocation_type: Literal["RequestResponse", "Event"] = "RequestResponse",
    ) -> Operation[InvocationResult]:
        """Invoke, synchronously or as an event. `event` is any JSON value. Raises UserError for one that is none."""
        if invocation_type not in ("RequestResponse", "Event"):
            raise UserError(
                f"there is no invocation type {invocation_type!r} here", fix="write 'RequestResponse' or 'Event'"
            )
        stored = payload(_json({} if event is None else event))
        return Operation(self.arn, Run(stored.digest, invocation_type), self._read, (stored,))

    def _read(self, reply: Any) -> InvocationResult:
        if isinstance(reply, Ran):
            text = self._payload_text(reply.payload)
            return InvocationResult(reply.request_id, 200, json.loads(text), reply.function_error, reply.log_tail)
        return InvocationResult(str(reply), 202)


def as_text(body: Any) -> str:
    """A body: a text as it is, anything else as compact JSON. Raises UserError for what JSON does not have."""
    return body if isinstance(body, str) else _json(body)


def _json(item: Any) -> str:
    try:
        return json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        text = str(error)
        raise UserError(
            f"this cannot be JSON: {text[:1].lower()}{text[1:]}", fix="give a value that JSON has"
        ) from None


def handle(message: sqs.Message | str) -> str:
    """The receipt handle of a received message."""
    return message if isinstance(message, str) else message.receipt_handle


def attributes(
    given: MessageAttributes | None, refuse: Callable[[str], Refused] = sqs_errors.invalid_value
) -> tuple[Attribute, ...]:
    """Message attributes in the service's own form; what they may hold is the service's to say.

    `refuse` is the service's error for a value in the wrong field, which that form no longer shows. Raises it as an
    AwsFault, and UserError for a value that is neither a text, a number, bytes nor a mapping.
    """
    return tuple((name, *_attribute(name, item, refuse)) for name, item in (given or {}).items())


def _attribute(name: str, item: Any, refuse: Callable[[str], Refused]) -> tuple[str, str]:
    """Data type and value of one attribute."""
    if isinstance(item, str):
        return "String", item
    if isinstance(item, (int, float)) and not isinstance(item, bool):
        return "Number", str(item)
    if isinstance(item, (bytes, bytearray)):
        return "Binary", base64.b64encode(item).decode()
    if not isinstance(item, Mapping):
        raise UserError(
            f"the message attribute {name} is {item!r}",
            fix='write a text, a number, or {"DataType": "String", "StringValue": "…"}',
        )
    data_type = str(item.get("DataType", ""))
    field, other = ("Binary", "String") if is_binary(data_type) else ("String", "Binary")
    if f"{field}Value" not in item and f"{other}Value" in item and data_type.partition(".")[0] in _DATA_TYPES:
        raise fault(refuse(f"The message attribute '{name}' with type '{data_type}' must use field '{field}'."))
    found = item.get(f"{field}Value", "")
    text = base64.b64encode(found).decode() if isinstance(found, (bytes, bytearray)) else str(found)
    return data_type, text
