"""The shapes in which a message leaves a topic: the envelope, Lambda's record, HTTP headers, confirmations.

Each text that names its subscription is a template with kernel.effects.SUBSTITUTE in place of the
subscription's id, so that one publish stores one text for all subscriptions.
Source: Amazon SNS Developer Guide, "Parsing Amazon SNS message formats"; AWS Lambda Developer Guide, "Using
Lambda with Amazon SNS"; order of keys as recorded on AWS.
"""

from __future__ import annotations

from typing import Any

from ...aws.digests import Attribute
from ...kernel.codec import to_json
from ...kernel.effects import SUBSTITUTE
from .signing import CERTIFICATE_NAME, sign, string_to_sign

NOTIFICATION, CONFIRMATION, UNSUBSCRIPTION = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
USER_AGENT = "Amazon Simple Notification Service Agent"
SENDER_ID = "AIDAIT2UOQQY3AUEKVGXU"
"""What SQS shows as SenderId of a message that a topic sent."""


def certificate_url(base_url: str) -> str:
    """Where the certificate of the signatures is said to be."""
    return f"{base_url}/{CERTIFICATE_NAME}"


def unsubscribe_url(base_url: str, topic_arn: str) -> str:
    """The link that ends a subscription, for any subscription of the topic."""
    return f"{base_url}/?Action=Unsubscribe&SubscriptionArn={topic_arn}:{SUBSTITUTE}"


def subscribe_url(base_url: str, topic_arn: str, token: str) -> str:
    """The link that confirms a subscription."""
    return f"{base_url}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}"


def notification(
    *, message_id: str, topic_arn: str, subject: str | None, message: str, timestamp: str
) -> dict[str, str | None]:
    """The fields of a notification that are signed."""
    return {
        "Type": NOTIFICATION,
        "MessageId": message_id,
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": timestamp,
    }


def signed(fields: dict[str, str | None], version: str) -> str:
    """The signature of a notification or a confirmation."""
    return sign(string_to_sign(fields), version)


def envelope(
    fields: dict[str, str | None],
    *,
    base_url: str,
    signature: tuple[str, str] | None,
    sequence_number: str | None,
    attributes: tuple[Attribute, ...],
    replayed: bool = False,
) -> str:
    """The envelope as a template: the body for queues and HTTP endpoints.

    `signature` is (version, text); a FIFO topic has none, and a sequence number in its place.
    """
    lines: dict[str, Any] = {"Type": fields["Type"], "MessageId": fields["MessageId"]}
    if sequence_number is not None:
        lines["SequenceNumber"] = sequence_number
    lines["TopicArn"] = fields["TopicArn"]
    if fields["Subject"] is not None:
        lines["Subject"] = fields["Subject"]
    lines["Message"], lines["Timestamp"] = fields["Message"], fields["Timestamp"]
    if signature is not None:
        lines["SignatureVersion"], lines["Signature"] = signature
        lines["SigningCertURL"] = certificate_url(base_url)
    lines["UnsubscribeURL"] = None
    if attributes:
        lines["MessageAttributes"] = {name: {"Type": kind, "Value": value} for name, kind, value in attributes}
    if replayed:
        lines["Replayed"] = True
    link = f'"{unsubscribe_url(base_url, str(fields["TopicArn"]))}"'  # nothing in it that JSON escapes
    return _laid_out(lines, link)


def _laid_out(lines: dict[str, Any], link: str = "") -> str:
    """As AWS lays it out: one member a line. None stands for the link, whose substitute must stay raw."""
    shown = []
    for name, value in lines.items():
        if isinstance(value, dict):
            members = ",\n".join(f"    {to_json(key)} : {to_json(item)}" for key, item in value.items())
            shown.append(f'  "{name}" : {{\n{members}\n  }}')
        else:
            shown.append(f'  "{name}" : {link if value is None else to_json(value)}')
    return "{\n" + ",\n".join(shown) + "\n}"


def lambda_event(
    fields: dict[str, str | None], *, base_url: str, signature: str, attributes: tuple[Attribute, ...]
) -> str:
    """The event for functions, as a template: one record, always SignatureVersion 1, always a Subject."""
    arn = str(fields["TopicArn"])
    sns = to_json(
        {
            "Type": fields["Type"],
            "MessageId": fields["MessageId"],
            "TopicArn": arn,
            "Subject": fields["Subject"],
            "Message": fields["Message"],
            "Timestamp": fields["Timestamp"],
            "SignatureVersion": "1",
            "Signature": signature,
            "SigningCertUrl": certificate_url(base_url),
        }
    )
    shown = to_json({name: {"Type": kind, "Value": value} for name, kind, value in attributes})
    return (
        f'{{"Records":[{{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"{arn}:{SUBSTITUTE}",'
        f'"Sns":{sns[:-1]},"UnsubscribeUrl":"{unsubscribe_url(base_url, arn)}","MessageAttributes":{shown}}}}}]}}'
    )


def confirmation(
    *,
    kind: str,
    message_id: str,
    topic_arn: str,
    subscription_arn: str,
    token: str,
    timestamp: str,
    base_url: str,
    version: str,
) -> str:
    """The body that asks an endpoint to confirm that it subscribes, or that it does not any more."""
    if kind == CONFIRMATION:
        text = (
            f"You have chosen to subscribe to the topic {topic_arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
    else:
        text = (
            f"You have chosen to deactivate subscription {subscription_arn}.\nTo cancel this operation and restore"
            " the subscription, visit the SubscribeURL included in this message."
        )
    fields: dict[str, str | None] = {
        "Type": kind,
        "MessageId": message_id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": text,
        "SubscribeURL": subscribe_url(base_url, topic_arn, token),
        "Timestamp": timestamp,
    }
    return _laid_out(
        {
            **fields,
            "SignatureVersion": version,
            "Signature": signed(fields, version),
            "SigningCertURL": certificate_url(base_url),
        }
    )


def http_headers(
    *, kind: str, message_id: str, topic_arn: str, subscription_arn: str, raw: bool, content_type: str
) -> tuple[tuple[str, str], ...]:
    """The headers of a request to an HTTP endpoint. Only a confirmation does not name its subscription."""
    headers = [
        ("Content-Type", content_type),
        ("User-Agent", USER_AGENT),
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", message_id),
        ("x-amz-sns-topic-arn", topic_arn),
    ]
    if kind != CONFIRMATION:
        headers.append(("x-amz-sns-subscription-arn", subscription_arn))
    if raw:
        headers.append(("x-amz-sns-rawdelivery", "true"))
    return tuple(headers)
