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
from simtriggers.services.s3.bus_events import bus_event_text
from simtriggers.services.s3.events import CAUSED_HERE, encode_key
from simtriggers.services.s3.notifications import notice_text
from simtriggers.services.s3.records import (
    BucketFacts,
    Request,
    event_version,
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
        facts(given, version),
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
            encode_key(given["key"]),
            given["size"],
            given["etag"],
            item["s3"]["object"]["sequencer"],
            given.get("version_id", ""),
        ),
    )


def facts(given: dict[str, Any], version: str) -> BucketFacts:
    name = given["bucket"]
    tags = tuple(given.get("tags", {}).items())
    return BucketFacts(name, f"arn:aws:s3:::{name}", given["region"], given["owner"], version, tags)


RECORDS = ["put", "delete", "versioned_put", "delete_marker", "multipart"]


@pytest.mark.parametrize("name", RECORDS)
def test_record_equals_the_documented_one(name: str) -> None:
    fixture = json.loads((FIXTURES / "s3" / f"{name}.json").read_text())
    profile = fixture["given"].get("profile", "classic")
    assert built(fixture["given"], fixture["record"], profile) == to_json(fixture["record"])


def test_classic_records_show_no_generated_tags() -> None:
    fixture = json.loads((FIXTURES / "s3" / "multipart.json").read_text())
    record = json.loads(built(fixture["given"], fixture["record"], "classic"))["Records"][0]
    assert (record["eventVersion"], list(record["s3"]["bucket"])) == ("2.1", ["name", "ownerIdentity", "arn"])


def test_the_event_for_the_bus_equals_the_documented_one() -> None:
    fixture = json.loads((FIXTURES / "s3" / "bus_delete.json").read_text())
    given, record = fixture["given"], fixture["record"]
    detail = record["detail"]
    text = bus_event_text(
        facts(given, "classic"),
        account=given["account"],
        id=record["id"],
        event=given["event"],
        time=record["time"],
        request=Request("AWS:AIDA", detail["source-ip-address"], detail["request-id"], "h"),
        key=given["key"],
        size=None,
        etag=None,
        sequencer=detail["object"]["sequencer"],
        version_id="",
    )
    assert text == to_json(record)


def test_the_test_event_equals_the_documented_one() -> None:
    record = json.loads((FIXTURES / "s3" / "test_event.json").read_text())["record"]
    text = notice_text(record["Bucket"], record["Time"], record["RequestId"], record["HostId"])
    assert text == to_json(record)


@pytest.mark.parametrize("profile", ["classic", "unified", "2.6"])
def test_versions_of_all_events(profile: str) -> None:
    expected = {"unified": "2.5", "2.6": "2.6"}
    later = {"ObjectTagging", "ObjectAcl", "LifecycleExpiration", "LifecycleTransition"}
    for event in CAUSED_HERE:
        classic = "2.3" if event.split(":")[0] in later or event == "ObjectRestore:Delete" else "2.1"
        assert event_version(profile, event) == expected.get(profile, classic)


def test_unified_version_is_the_only_difference() -> None:
    fixture = json.loads((FIXTURES / "s3" / "put.json").read_text())
    fixture["record"]["Records"][0]["eventVersion"] = "2.5"
    assert built(fixture["given"], fixture["record"], "unified") == to_json(fixture["record"])


@pytest.mark.parametrize("name", RECORDS)
def test_powertools_reads_it(name: str) -> None:
    fixture = json.loads((FIXTURES / "s3" / f"{name}.json").read_text())
    text = built(fixture["given"], fixture["record"], "classic")
    (record,) = S3Model.model_validate_json(text).Records
    assert record.s3.object is not None
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
