"""What leaves a topic, against recorded shapes: same members, same order, same types; and against the models
of Powertools. Signatures are verified with the `cryptography` package."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import SNSEvent
from aws_lambda_powertools.utilities.parser.models import SnsModel, SnsNotificationModel
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simtriggers.kernel.effects import SUBSTITUTE
from simtriggers.services.sns import commands as c
from simtriggers.services.sns import records, signing
from tests.services.sns.world import FUNCTION, QUEUE, World, sample

PLACEHOLDER = "dGhpcy1pcy1hLXBsYWNlaG9sZGVyLXNpZ25hdHVyZQ=="
EXAMPLE_CERTIFICATE = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"


def in_order(document: Any) -> Any:
    """A document in which the order of members counts."""
    if isinstance(document, dict):
        return [(key, in_order(value)) for key, value in document.items()]
    return [in_order(item) for item in document] if isinstance(document, list) else document


def read(text: str) -> Any:
    """The document of a text, with the certificate's name as the examples have it."""
    return in_order(json.loads(text.replace(signing.CERTIFICATE_NAME, EXAMPLE_CERTIFICATE)))


def fields(given: dict[str, Any]) -> dict[str, str | None]:
    names = ("message_id", "topic_arn", "subject", "message", "timestamp")
    return records.notification(**{name: given[name] for name in names})


@pytest.mark.parametrize("name", ["lambda-event-with-attributes", "lambda-event-plain"])
def test_lambda_event(name: str) -> None:
    found = sample(name)
    given = found["given"]
    made = records.lambda_event(
        fields(given),
        base_url=given["base_url"],
        signature=PLACEHOLDER,
        attributes=tuple(tuple(item) for item in given["attributes"]),
    ).replace(SUBSTITUTE, given["subscription"])
    assert read(made) == in_order(found["document"])
    record = SnsModel.model_validate_json(made).Records[0]
    assert record.Sns.MessageId == given["message_id"]
    assert next(SNSEvent(json.loads(made)).records).sns.message == given["message"]


@pytest.mark.parametrize("name", ["envelope", "envelope-plain", "envelope-fifo"])
def test_envelope(name: str) -> None:
    found = sample(name)
    given = found["given"]
    fifo = given["sequence_number"] is not None
    made = records.envelope(
        fields(given),
        base_url=given["base_url"],
        signature=None if fifo else ("1", PLACEHOLDER),
        sequence_number=given["sequence_number"],
        attributes=tuple(tuple(item) for item in given["attributes"]),
    ).replace(SUBSTITUTE, given["subscription"])
    assert read(made) == in_order(found["document"])
    assert made.startswith('{\n  "Type" : "Notification",\n  "MessageId" : "')
    assert SnsNotificationModel.model_validate_json(made).Message == given["message"]


@pytest.mark.parametrize("name", ["subscription-confirmation", "unsubscribe-confirmation"])
def test_confirmation(name: str) -> None:
    found = sample(name)
    made = records.confirmation(**found["given"])
    document = json.loads(made)
    verify(document)
    assert read(made.replace(document["Signature"], PLACEHOLDER)) == in_order(found["document"])


@pytest.mark.parametrize("case", sample("http-headers")["cases"], ids=str)
def test_headers(case: dict[str, Any]) -> None:
    assert records.http_headers(**case["given"]) == tuple(case["headers"].items())


# --- signatures ---------------------------------------------------------------------------------

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def verify(document: dict[str, Any], *, version: str | None = None) -> None:
    """As a receiver does it. Raises InvalidSignature."""
    names = NOTIFICATION if document["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{document[name]}\n" for name in names if document.get(name) is not None)
    certificate = x509.load_pem_x509_certificate(signing.CERTIFICATE.encode())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    algorithm = hashes.SHA1() if (version or document["SignatureVersion"]) == "1" else hashes.SHA256()
    key.verify(base64.b64decode(document["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "Größe"])
def test_signatures_verify(version: str, subject: str | None) -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"function": "parse"}, signature_version=int(version))
    world.publish(topic, "grüße\n😀", subject=subject)
    [envelope], [event] = world.bodies(QUEUE), world.bodies(FUNCTION)
    assert envelope["SignatureVersion"] == version
    assert envelope["SigningCertURL"] == f"https://sns.us-east-1.amazonaws.com/{signing.CERTIFICATE_NAME}"
    verify(envelope)
    record = event["Records"][0]["Sns"]
    assert record["SignatureVersion"] == "1"
    verify(record, version=version)


def test_attributes_are_not_signed() -> None:
    bodies = []
    for attributes in ((), (("tenant", "String", "acme"),)):
        world = World()
        topic = world.topic("orders", {"queue": "jobs"})
        world.publish(topic, "hello", message_attributes=attributes)
        bodies += world.bodies(QUEUE)
    assert bodies[0]["Signature"] == bodies[1]["Signature"]
    verify(bodies[1])
    with pytest.raises(InvalidSignature):
        verify({**bodies[1], "Message": "hello!"})


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_links_lead_to_the_region_of_the_topic(region: str) -> None:
    world = World()
    arn = f"arn:aws:sns:{region}:123456789012:orders"
    assert world.engine.ask(arn, c.CreateTopic()) == arn
    assert world.engine.ask(arn, c.Subscribe("sqs", QUEUE)).startswith(f"{arn}:")
    world.publish(arn, "hello")
    [body] = world.bodies(QUEUE)
    name = re.escape(f"https://sns.{region}.amazonaws.com/SimpleNotificationService-")
    assert re.fullmatch(name + "[0-9a-f]{32}[.]pem", body["SigningCertURL"])
    assert body["UnsubscribeURL"].startswith(f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=")


def test_the_certificate_is_its_own() -> None:
    certificate = x509.load_pem_x509_certificate(signing.CERTIFICATE.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc.year == 2000
    assert certificate.not_valid_after_utc.year == 2200


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("text", ["", "x", "grüße", "x" * 10_000])
def test_signing_is_the_same_without_the_package(version: str, text: str) -> None:
    plain = base64.b64encode(signing.plain_signature(text.encode(), version)).decode()
    assert signing.sign(text, version) == plain
