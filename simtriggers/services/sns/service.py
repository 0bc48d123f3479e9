"""Amazon SNS: which rule answers which command."""

from __future__ import annotations

from ...aws.contracts import Delivery, HttpEnded, PutResource, RemoveResource
from ...kernel.service import Rule, Service
from . import (
    archive,
    endpoints,
    lists,
    permissions,
    phones,
    publish,
    resources,
    settings,
    store,
    subscriptions,
    tags,
    topics,
)
from . import commands as c

SERVICE = Service(
    name=settings.SERVICE_NAME,
    rules={
        c.Publish: Rule(publish.view_publish, publish.decide_publish),
        c.PublishBatch: Rule(publish.view_publish, publish.decide_publish_batch),
        c.PublishToPhone: Rule(phones.view_nothing, phones.decide_publish),
        Delivery: Rule(publish.view_publish, publish.decide_publish),
        c.CreateTopic: Rule(topics.view_topic, topics.decide_create),
        c.SetTopicAttributes: Rule(topics.view_topic, topics.decide_set),
        c.GetTopicAttributes: Rule(topics.view_topic, topics.decide_get),
        c.AddPermission: Rule(topics.view_topic, permissions.decide_add),
        c.RemovePermission: Rule(topics.view_topic, permissions.decide_remove),
        c.TagResource: Rule(topics.view_topic, tags.decide_tag),
        c.UntagResource: Rule(topics.view_topic, tags.decide_untag),
        c.ListTagsForResource: Rule(topics.view_topic, tags.decide_list),
        c.GetDataProtectionPolicy: Rule(topics.view_topic, topics.decide_get_data_protection),
        c.PutDataProtectionPolicy: Rule(topics.view_topic, topics.decide_put_data_protection),
        c.Subscribe: Rule(subscriptions.view_subscribe, subscriptions.decide_subscribe),
        c.ConfirmSubscription: Rule(subscriptions.view_confirm, subscriptions.decide_confirm),
        c.Unsubscribe: Rule(subscriptions.view_subscription, subscriptions.decide_unsubscribe),
        c.SetSubscriptionAttributes: Rule(subscriptions.view_subscription, subscriptions.decide_set),
        c.GetSubscriptionAttributes: Rule(subscriptions.view_subscription, subscriptions.decide_get),
        **lists.RULES,
        PutResource: Rule(resources.view_put, resources.decide_put),
        RemoveResource: Rule(resources.view_remove, resources.decide_remove),
        c.SendRequest: Rule(endpoints.view_request, endpoints.decide_send),
        HttpEnded: Rule(endpoints.view_request, endpoints.decide_ended),
        c.ReplayMessages: Rule(archive.view_replay, archive.decide_replay),
    },
    migrations=store.MIGRATIONS,
    parsers={settings.TOPIC: settings.parse_topic, settings.SUBSCRIPTION: settings.parse_subscription},
    describe=topics.describe,
    restarted=Rule(endpoints.view_restarted, endpoints.decide_restarted),
    invariants=store.INVARIANTS,
    payload_columns=store.PAYLOAD_COLUMNS,
    bookkeeping={"SubscriptionMatched": (), "SubscriptionsNotMatched": ()},
)
