"""Tags of topics: TagResource, UntagResource, ListTagsForResource.

Source: Amazon SNS API Reference, TagResource; Amazon SNS Developer Guide, "Amazon SNS topic tagging".
"""

from __future__ import annotations

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from . import errors
from .checks import with_tags
from .commands import ListTagsForResource, TagResource, Tags, UntagResource
from .topics import TopicView, put_topic


def decide_tag(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """TagResource: replies with None."""
    command: TagResource = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_resource())
    tags = with_tags(view.topic.config.stored.get("tags", {}), command.tags)
    if isinstance(tags, Refused):
        return Decision(reply=tags)
    return _set(view, entry, tags, now_ms=now_ms, ids=ids)


def decide_untag(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """UntagResource: replies with None; keys that are not there are passed over."""
    command: UntagResource = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_resource())
    tags = {key: text for key, text in view.topic.config.stored.get("tags", {}).items() if key not in command.keys}
    return _set(view, entry, tags, now_ms=now_ms, ids=ids)


def decide_list(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListTagsForResource: replies with Tags, by key."""
    assert type(entry.command) is ListTagsForResource
    if view.topic is None:
        return Decision(reply=errors.no_such_resource())
    return Decision(reply=Tags(tuple(sorted(view.topic.config.stored.get("tags", {}).items()))))


def _set(view: TopicView, entry: Entry, tags: dict[str, str], *, now_ms: int, ids: Ids) -> Decision:
    assert view.topic is not None
    config = {key: setting for key, setting in view.topic.config.stored.items() if key != "tags"}
    if tags:
        config["tags"] = tags
    decision = put_topic(
        view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )
    decision.reply = None
    return decision
