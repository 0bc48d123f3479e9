"""Records are shaped as recorded ones, to the order of their keys, and consumers can read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from aws_lambda_powertools.utilities.parser.models import S3Model
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.kernel.codec import to_json
from simtriggers.kernel.ids import Ids
from simtriggers.services.s3.events import encode_key
from simtriggers.services.s3.records import (
    BucketFacts,
    Request,
    object_text,
    owner_id,
    record_text,
    request_ids,
    sequencer,
    user_principal,
)

FIXTURES = Path(__file__).parents[3] / "fixtures"


def built(given: dict[str, Any], record: dict[str, Any], version: str) -> str:
    (item,) = record["Records"]
    answer = item["responseElements"]
    return record_text(
        BucketFacts(given["bucket"], f"arn:aws:s3:::{given['bucket']}", given["region"], given["owner"], version),
        event=given["event"],
        time=item["eventTime"],
        request=Request(
            item["userIdentity"]["principalId"],
            item["requestParameters"]["sourceIPAddress"],
            answer["x-amz-request-id"],
            answer["x-amz-id-2"],
        ),
        configuration_id=given["configuration_id"],
        object_text=object_text(
            encode_key(given["key"]), given["size"], given["etag"], item["s3"]["object"]["sequencer"]
        ),
    )


@pytest.mark.parametrize("name", ["put", "delete"])
def test_record_equals_the_documented_one(name: str) -> None:
    fixture = json.loads((FIXTURES / "s3" / f"{name}.json").read_text())
    assert built(fixture["given"], fixture["record"], "classic") == to_json(fixture["record"])


def test_unified_version_is_the_only_difference() -> None:
    fixture = json.loads((FIXTURES / "s3" / "put.json").read_text())
    fixture["record"]["Records"][0]["eventVersion"] = "2.5"
    assert built(fixture["given"], fixture["record"], "unified") == to_json(fixture["record"])


@pytest.mark.parametrize("name", ["put", "delete"])
def test_powertools_reads_it(name: str) -> None:
    fixture = json.loads((FIXTURES / "s3" / f"{name}.json").read_text())
    text = built(fixture["given"], fixture["record"], "classic")
    (record,) = S3Model.model_validate_json(text).Records
    assert unquote_plus(record.s3.object.key) == fixture["given"]["key"]
    assert record.s3.object.size == fixture["given"]["size"]


@pytest.mark.parametrize("case", YAML(typ="safe").load(FIXTURES / "cases/s3/keys.yaml"), ids=lambda case: case["name"])
def test_keys(case: dict[str, str]) -> None:
    assert encode_key(case["key"]) == case["encoded"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_key_comes_back(key: str) -> None:
    encoded = encode_key(key)
    assert unquote_plus(encoded) == key
    assert json.loads(f'"{encoded}"') == encoded


@given(
    st.tuples(st.integers(0, 1 << 42), st.integers(0, (1 << 22) - 1)),
    st.tuples(st.integers(0, 1 << 42), st.integers(0, (1 << 22) - 1)),
)
def test_sequencers_compare_as_their_times(one: tuple[int, int], two: tuple[int, int]) -> None:
    first, second = sequencer(*one), sequencer(*two)
    assert len(first) == len(second) == 18
    assert (first < second, first == second) == (one < two, one == two)


def test_ids_have_the_form_of_aws() -> None:
    request_id, host_id = request_ids(Ids(1).take("s3.request", 64))
    assert len(request_id) == 16
    assert request_id.isalnum()
    assert request_id.upper() == request_id
    assert len(host_id) == 76
    assert owner_id("123456789012") == owner_id("123456789012") != owner_id("210987654321")
    assert owner_id("123456789012").startswith("A")
    assert user_principal("123456789012").startswith("AWS:AIDA")
