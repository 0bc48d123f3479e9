"""Digests, against values recorded on AWS and against moto's independent implementation."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.aws.digests import Attribute, md5_of_body, md5_of_message_attributes

ALL_THREE: list[Attribute] = [
    ("tenant", "String", "acme"),
    ("retries", "Number", "3"),
    ("thumb", "Binary", "AgME"),
]


@pytest.mark.parametrize(
    ("attributes", "digest"),
    [
        ([("Foo", "String", "Bar")], "ae7155c6026991b6d54b11589678bf9c"),
        (
            [
                ("Title", "String", "The Whistler"),
                ("Author", "String", "John Grisham"),
                ("WeeksOn", "Number", "6"),
            ],
            "d25a6aea97eb8f585bfa92d314504a92",
        ),
        ([("tenant", "String", "acme")], "c52f727da6769fcbc66f3f8555ce234a"),
        (ALL_THREE, "f9e913f0de848d7a605ae934db951c48"),
        (list(reversed(ALL_THREE)), "f9e913f0de848d7a605ae934db951c48"),
        ([], None),
    ],
)
def test_recorded_attribute_digests(attributes: list[Attribute], digest: str | None) -> None:
    assert md5_of_message_attributes(attributes) == digest


def test_recorded_body_digest() -> None:
    assert md5_of_body('{"orderId": "o-1001", "total": 42}') == "3b27c5edc80a79b3c3d5b37a4d6e3f21"


NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8)
LABELS = st.sampled_from(["", ".custom", ".é"])
TEXTS = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())
VALUES = st.one_of(
    st.tuples(LABELS.map("String".__add__), TEXTS),
    st.tuples(LABELS.map("Number".__add__), st.integers().map(str)),
    st.tuples(
        LABELS.map("Binary".__add__),
        st.binary(min_size=1, max_size=12).map(lambda raw: base64.b64encode(raw).decode()),
    ),
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_attribute_digests_are_those_of_another_implementation(chosen: dict[str, tuple[str, str]]) -> None:
    from moto.sqs.models import Message

    other = Message("m", "body")
    other.message_attributes = {
        name: {"DataType": kind, "BinaryValue": base64.b64decode(value)}
        if kind.startswith("Binary")
        else {"DataType": kind, "StringValue": value}
        for name, (kind, value) in chosen.items()
    }
    ours = md5_of_message_attributes((name, kind, value) for name, (kind, value) in chosen.items())
    assert ours == other.attribute_md5
