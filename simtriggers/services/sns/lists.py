"""Lists of topics and subscriptions, 100 to a page.

A page's NextToken says where the next one begins; it is good for ever, since it names the last item shown.
Source: Amazon SNS API Reference, ListTopics, ListSubscriptions, ListSubscriptionsByTopic.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from ...aws.arn import region_and_account
from ...aws.limits import Limit
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Reader, Rule
from . import errors, store
from .commands import Listed, ListSubscriptions, ListSubscriptionsByTopic, ListTopics, Subscription, Subscriptions
from .settings import TOPIC
from .store import ListedRow

PAGE = Limit(100, "Amazon SNS API Reference, ListTopics and ListSubscriptions")


def _token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _after(token: str | None) -> str | None:
    """The last item of the page before, empty at the beginning; None for a token that no page has."""
    if token is None:
        return ""
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        return None


def view_topics(read: Reader, entry: Entry) -> tuple[str, ...]:
    """The ARNs of all topics, in order."""
    return tuple(topic.arn for topic in read.resources(TOPIC))


def decide_topics(view: tuple[str, ...], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListTopics: replies with Listed."""
    after = _after(entry.command.next_token)
    if after is None:
        return Decision(reply=errors.bad_token())
    rest = [arn for arn in view if arn > after]
    shown = rest[:PAGE]
    return Decision(reply=Listed(tuple(shown), _token(shown[-1]) if len(rest) > PAGE else None))


@dataclass(frozen=True, slots=True)
class ListView:
    """One subscription more than a page shows, each with its latest token. `known` is False for a topic that
    does not exist, `good` for a token that no page has."""

    known: bool = True
    good: bool = True
    rows: tuple[tuple[ListedRow, str | None], ...] = ()


def view_subscriptions(read: Reader, entry: Entry) -> ListView:
    """The subscriptions of a topic, or all of them when asked at the service's own ARN."""
    whole = entry.arn.endswith(":*")
    if not whole and read.resource(entry.arn) is None:
        return ListView(known=False)
    after = _after(entry.command.next_token) or ("0" if entry.command.next_token is None else "")
    if not after.isdecimal():
        return ListView(good=False)
    where = (int(after), PAGE + 1)
    found = read.all(store.ALL_SUBSCRIPTIONS, *where) if whole else read.all(store.OF_TOPIC, entry.arn, *where)
    rows = []
    for each in map(ListedRow._make, found):
        token = read.one(store.TOKEN_OF, each.arn) if each.pending else None
        rows.append((each, None if token is None else token[0]))
    return ListView(rows=tuple(rows))


def decide_subscriptions(view: ListView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListSubscriptions and ListSubscriptionsByTopic: replies with Subscriptions."""
    if not view.known:
        return Decision(reply=errors.no_such_topic())
    if not view.good:
        return Decision(reply=errors.bad_token())
    page = view.rows[:PAGE]
    shown = [
        Subscription(
            "PendingConfirmation" if row.pending else row.arn,
            row.topic,
            row.protocol,
            row.endpoint,
            region_and_account(row.topic)[1],
            token,
        )
        for row, token in page
    ]
    following = _token(str(page[-1][0].seq)) if len(view.rows) > PAGE else None
    return Decision(reply=Subscriptions(tuple(shown), following))


RULES = {
    ListTopics: Rule(view_topics, decide_topics),
    ListSubscriptions: Rule(view_subscriptions, decide_subscriptions),
    ListSubscriptionsByTopic: Rule(view_subscriptions, decide_subscriptions),
}
