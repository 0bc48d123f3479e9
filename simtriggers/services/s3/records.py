"""The event record of S3, as text. Built piece by piece, because every put passes here.

The key order is that of recorded events. Source: S3 User Guide, "Event message structure".
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from ...kernel.codec import to_json
from ...kernel.fixed import fixed

CLASSIC, UNIFIED, LATER = "classic", "unified", "2.6"
_UNIFIED = {UNIFIED: "2.5", LATER: "2.6"}
_CLASSIC_2_3 = ("ObjectTagging:", "ObjectAcl:", "LifecycleExpiration:", "LifecycleTransition", "ObjectRestore:Delete")


def event_version(profile: str, event: str) -> str:
    """The eventVersion of an event under a profile. Classic: 2.1, and 2.3 for what came later."""
    return _UNIFIED.get(profile) or ("2.3" if event.startswith(_CLASSIC_2_3) else "2.1")


@fixed
class Request:
    """Who caused an event, from where, the two ids that the answer to the request carries, and its X-Ray
    header."""

    principal: str
    source_ip: str
    request_id: str
    host_id: str
    trace_header: str = ""


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What a record says of its bucket. `event_version` is `classic` (2.1 and 2.3, as recorded up to 2025),
    `unified` (2.5, one version for all types, as documented in 2026) or `2.6` (seen later that year).
    `generated_tags` are the bucket's tags that begin with `aws:`, which only the latter two show."""

    name: str
    arn: str
    region: str
    owner: str
    event_version: str
    generated_tags: tuple[tuple[str, str], ...] = ()


def owner_id(account: str) -> str:
    """A customer id (`A` and 13 more) that an account number always gets; AWS does not publish its rule."""
    return "A" + _letters("owner", account, 13)


def user_principal(account: str) -> str:
    """The principal of an account's own user, `AWS:AIDA…`: who drops files and acts in scenarios."""
    return "AWS:AIDA" + _letters("user", account, 17)


@lru_cache(maxsize=64)
def _letters(kind: str, account: str, count: int) -> str:
    digest = blake2b(f"{kind}/{account}".encode(), digest_size=20).digest()
    return base64.b32encode(digest).decode()[:count]


def request_ids(raw: bytes) -> tuple[str, str]:
    """`x-amz-request-id` (16 of 0-9 and A-F) and `x-amz-id-2` (76 of base64) from 64 bytes of chance."""
    return raw[:8].hex().upper(), base64.b64encode(raw[8:]).decode()


def sequencer(at_ms: int, count: int) -> str:
    """18 hexadecimal digits that grow with (at_ms, count): seconds in 10, then milliseconds and `count`
    (below 2**22). Equal lengths, so comparing right-padded texts, as AWS says to, compares the pairs."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{seconds:010X}{ms << 22 | count:08X}"


SEQUENCERS_PER_MS = 1 << 22


def object_text(key: str, size: int | None, etag: str | None, sequencer: str | None, version_id: str = "") -> str:
    """The `object` of a record, without what it does not have. `key` is encoded; the null version shows no
    id."""
    version = f',"versionId":"{version_id}"' if version_id else ""
    if size is not None and sequencer is not None:
        return f'{{"key":"{key}","size":{size},"eTag":"{etag}"{version},"sequencer":"{sequencer}"}}'
    tag = f',"eTag":"{etag}"' if etag is not None else ""
    mark = f',"sequencer":"{sequencer}"' if sequencer is not None else ""
    return f'{{"key":"{key}"{tag}{version}{mark}}}'


def record_text(
    bucket: BucketFacts,
    *,
    event: str,
    time: str,
    request: Request,
    configuration_id: str,
    object_text: str,
    more: str = "",
) -> str:
    """`{"Records":[…]}` with one record. `event` has no `s3:`; `time` is ISO with milliseconds; `more` are
    members after `s3`, such as `"glacierEventData":{…}`."""
    return (
        f"{_head(event_version(bucket.event_version, event), bucket.region)}{time}"
        f'","eventName":"{event}","userIdentity":{{"principalId":{_text(request.principal)}}},'
        f'"requestParameters":{{"sourceIPAddress":{_text(request.source_ip)}}},'
        f'"responseElements":{{"x-amz-request-id":"{request.request_id}","x-amz-id-2":"{request.host_id}"}},'
        f'"s3":{{"s3SchemaVersion":"1.0","configurationId":{_text(configuration_id)},'
        f"{_bucket(bucket)}{object_text}}}{',' if more else ''}{more}}}]}}"
    )


@lru_cache(maxsize=64)
def _head(event_version: str, region: str) -> str:
    facts = {"eventVersion": event_version, "eventSource": "aws:s3", "awsRegion": region}
    return f'{{"Records":[{to_json(facts)[:-1]},"eventTime":"'


@lru_cache(maxsize=256)
def _bucket(bucket: BucketFacts) -> str:
    facts: dict[str, object] = {
        "name": bucket.name,
        "ownerIdentity": {"principalId": bucket.owner},
        "arn": bucket.arn,
    }
    if bucket.generated_tags and bucket.event_version != CLASSIC:
        facts["awsGeneratedTags"] = dict(bucket.generated_tags)
    return f'"bucket":{to_json(facts)},"object":'


@lru_cache(maxsize=1024)
def _text(text: str) -> str:
    return to_json(text)
