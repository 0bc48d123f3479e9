"""Why a message of a topic did not reach a subscriber: its subscription, filter policy, and what the delivery met."""

from __future__ import annotations

from collections.abc import Iterator

from ...aws.arn import name_of
from ...kernel.trace import TraceRow
from ...services.sns.archive import is_over
from ...services.sns.content import structured, text_for
from ...services.sns.fanout import filter_mismatch
from ...services.sns.settings import SubscriptionSettings, parse_subscription
from ..answers import Finding, Hop, Question, stopped
from ..texts import clock, plain, resource
from ..world import Known, World
from .deliveries import delivered, undeclared

_PENDING = "SELECT pending FROM sns_subscriptions WHERE arn = ?"
_DEAD_LETTERED = "DeliverySentToDeadLetterQueue"


def _subscriptions(world: World, topic: Known) -> list[Known]:
    return [each for each in world.of_kind("subscription") if each.config["topic_arn"] == topic.arn]


def _endpoint(world: World, subscription: Known) -> Known | None:
    """The queue or function that a subscription is of; None: it is a URL or an address, or does not exist."""
    return world.resources.get(subscription.config["endpoint"])


def _leads_to(world: World, topic: Known) -> Iterator[str]:
    ours = _subscriptions(world, topic)
    for each in ours:
        endpoint = _endpoint(world, each)
        yield each.arn if endpoint is None else endpoint.arn
    for each in ours:
        dead_letter = parse_subscription(each.config).dead_letter
        if dead_letter is not None:
            yield dead_letter


# --- one message --------------------------------------------------------------------------------


def ask(world: World, event: TraceRow | None, topic: Known, target: Known) -> Hop:
    """Why a message of the topic did not go to one that it leads to: an endpoint, a subscription, or the
    dead-letter queue of one."""
    ours = _subscriptions(world, topic)
    subscribed = [each for each in ours if target.arn in (each.arn, each.config["endpoint"])]
    if not subscribed:
        losing = [each for each in ours if parse_subscription(each.config).dead_letter == target.arn]
        if losing:
            return _dead_letter(world, event, losing, target)
        return stopped(Finding("no_subscription", f"{topic} has no subscription of {target}"))
    if event is None:
        return stopped(*(_in_general(world, each, topic) for each in subscribed))
    if event.kind == "MessageDeduplicated":
        text = f"{topic} had published it before: the deduplication id was that of message {event.subject}"
        return stopped(Finding("deduplicated", text, (event,)))
    return _delivered(world, event, subscribed[0], target)


def _delivered(world: World, event: TraceRow, subscription: Known, target: Known) -> Hop:
    """Whether a message came to a subscription's endpoint, the first time or in a replay."""
    matched = [
        row
        for row in world.book.about(event.subject)
        if row.kind == "SubscriptionMatched" and row.details.get("subscription") == subscription.arn
    ]
    if not matched:
        return stopped(*_not_matched(world, event, subscription))
    endpoint = _endpoint(world, subscription)
    hop = delivered(world, matched[-1], subscription if endpoint is None else endpoint)
    if hop.reached is not None and target.arn == subscription.arn and endpoint is not None:
        return stopped(Finding("delivered", f"{endpoint}, its endpoint, did get it", (hop.reached,)))
    return hop


def _in_general(world: World, subscription: Known, topic: Known) -> Finding:
    settings = parse_subscription(subscription.config)
    if settings.filter is None:
        return Finding("subscription", f"{topic} passes everything on to {subscription.described}; ask about a message")
    policy = plain(subscription.config["filter_policy"])
    text = f"{topic} passes on to {subscription.described} what its filter policy wants in the {settings.filter.scope}"
    return Finding("subscription", f"{text}: {policy}; ask about a message")


def _not_matched(world: World, event: TraceRow, subscription: Known) -> Iterator[Finding]:
    """What kept a message from a subscription; a filter policy is asked again, as it is now."""
    settings = parse_subscription(subscription.config)
    created = world.last(subscription.arn, ("SubscriptionCreated",))
    confirmed = world.last(subscription.arn, ("SubscriptionConfirmed",))
    pending = world.one(_PENDING, subscription.arn)
    if created is not None and created.id > event.id:
        text = f"{subscription.described} was made at {clock(created.at_ms)}, after the message"
        yield Finding("subscribed_later", text, (created,))
        return
    if pending is not None and pending[0]:
        asked = world.last(settings.topic, ("SubscriptionConfirmationSent",))
        rows = () if asked is None else (asked,)
        yield Finding("pending", f"{subscription.described} has not been confirmed", rows)
        return
    if confirmed is not None and confirmed.id > event.id:
        text = f"{subscription.described} was confirmed at {clock(confirmed.at_ms)}, after the message"
        yield Finding("confirmed_later", text, (confirmed,))
        return
    if not subscription.wired:
        yield undeclared(subscription)
    if is_over(settings):
        yield Finding("replay_ended", f"{subscription.described} replays up to an end, and gets nothing new")
    elif subscription.wired:
        yield _filtered(world, event, subscription, settings)
    changed = world.last(subscription.arn, ("SubscriptionUpdated",))
    if changed is not None and changed.id > event.id:
        text = f"the settings of {subscription} have changed since; compared are now's"
        yield Finding("changed", text, (changed,))


def _filtered(world: World, event: TraceRow, subscription: Known, settings: SubscriptionSettings) -> Finding:
    text = world.book.payload(event.details["payload"]) or ""
    if event.details.get("message_structure") == "json":
        texts = structured(text)
        assert isinstance(texts, dict), "it was checked when it was published"
        text = text_for(settings.protocol, texts)
    attributes = tuple((name, kind, item) for name, kind, item in event.details.get("message_attributes", ()))
    mismatch = filter_mismatch(settings, attributes, text)
    rows = [row for row in world.book.caused_by(event.id) if row.kind == "SubscriptionsNotMatched"]
    if mismatch is None:
        text = f"{subscription.described} lets it pass as it is now; it did not when the message came"
        return Finding("matches_now", text, tuple(rows))
    return Finding("filter", f"the filter policy of {subscription.described} keeps it back: {mismatch}", tuple(rows))


# --- dead letters -------------------------------------------------------------------------------


def _dead_letter(world: World, event: TraceRow | None, losing: list[Known], target: Known) -> Hop:
    whose = ", ".join(each.described for each in losing)
    only = f"{target} gets what was not delivered to {whose}"
    if event is None:
        return stopped(Finding("dead_letters", f"{only}; ask about a message"))
    sent = [
        row
        for row in world.book.about(event.subject)
        if row.kind == _DEAD_LETTERED and row.details.get("dead_letter") == target.arn
    ]
    if sent:
        return delivered(world, sent[-1], target)
    findings = [Finding("not_dead_lettered", f"{only}, and none of it was this message")]
    for each in losing:
        hop = _delivered(world, event, each, _endpoint(world, each) or each)
        if hop.reached is not None:
            findings.append(Finding("delivered", f"{_where(each)} did get it", (hop.reached,)))
        findings += hop.findings
    return stopped(*findings)


def _where(subscription: Known) -> str:
    return resource(subscription.config["endpoint"])


# --- what came to a topic or a subscription ------------------------------------------------------


def own(world: World, event: TraceRow | None, topic: Known) -> Hop:
    """Why what was handed to a topic was not published: only a duplicate is not."""
    if event is not None and event.kind == "MessageDeduplicated":
        text = f"{topic} had it before: its deduplication id is that of message {event.subject}"
        return stopped(Finding("deduplicated", text, (event,)))
    return stopped(Finding("no_event", f"ask about a message that was published to {name_of(topic.arn)}"))


TOPICS = Question(
    events=frozenset({"MessagePublished", "MessageDeduplicated"}),
    reached=frozenset({"MessagePublished"}),
    leads_to=_leads_to,
    ask=ask,
    own=own,
)


def _nowhere(world: World, subscription: Known) -> tuple[str, ...]:
    return ()


def _asked(world: World, event: TraceRow | None, subscription: Known, target: Known) -> Hop:
    return stopped(Finding("ask_the_topic", f"{subscription} passes on what its topic gets; ask about a message"))


SUBSCRIPTIONS = Question(
    events=frozenset(),
    reached=frozenset({"HttpRequestSucceeded", "OutboxEntry"}),
    leads_to=_nowhere,
    ask=_asked,
)
