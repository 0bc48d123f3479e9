"""Filter policies: the tables of fixtures/cases/sns, and every policy of equal values against a plain model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.filter_policy import BODY, FilterPolicy, attribute_values, flat_body
from simtriggers.aws.filter_policy_syntax import POLICY_BYTES, FilterPolicyError, parse_filter_policy

FOLDER = Path(__file__).parents[2] / "fixtures" / "cases" / "sns"


def cases(file: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = YAML(typ="safe").load(FOLDER / file)
    assert len({case["name"] for case in loaded}) == len(loaded), "two cases have one name"
    assert all(case["why"] for case in loaded)
    return loaded


MATCHES, ERRORS, SIZES = cases("filter_matches.yaml"), cases("filter_errors.yaml"), cases("filter_complexity.yaml")


@pytest.mark.parametrize("case", MATCHES, ids=[case["name"] for case in MATCHES])
def test_matches(case: dict[str, Any]) -> None:
    policy = parse_filter_policy(json.dumps(case["policy"]), case.get("scope", "MessageAttributes"))
    assert policy is not None
    attributes = attribute_values([tuple(item) for item in case.get("attributes", [])])
    body = flat_body(case["text"] if "text" in case else json.dumps(case.get("body")))
    assert policy.matches(attributes, body) is case["passes"]


@pytest.mark.parametrize("case", ERRORS, ids=[case["name"] for case in ERRORS])
def test_errors(case: dict[str, Any]) -> None:
    with pytest.raises(FilterPolicyError) as caught:
        parse_filter_policy(case["policy"], case.get("scope", "MessageAttributes"))
    assert str(caught.value) == case["says"]


def _listed(policy: Any) -> Any:
    """A policy in which each number is a list of that many values."""
    if isinstance(policy, dict):
        return {key: [*map(_listed, value)] if key == "$or" else _listed(value) for key, value in policy.items()}
    return [str(number) for number in range(policy)]


@pytest.mark.parametrize("case", SIZES, ids=[case["name"] for case in SIZES])
def test_complexity(case: dict[str, Any]) -> None:
    text = json.dumps(_listed(case["policy"]))
    if case["complexity"] == "refused":
        with pytest.raises(FilterPolicyError, match=r"^FilterPolicy: Filter policy is too complex$"):
            parse_filter_policy(text, BODY)
        return
    policy = parse_filter_policy(text, BODY)
    assert policy is not None and policy.complexity == case["complexity"]
    assert len(policy.alternatives) <= policy.complexity


def test_many_alternatives_are_refused_before_they_are_made() -> None:
    branch: dict[str, Any] = {"$or": [{"a": ["x"]}, {"b": ["x"]}]}
    for depth in range(60):
        branch = {f"k{depth}": branch, "$or": [{"a": ["x"]}, {"b": ["x"]}]}
    with pytest.raises(FilterPolicyError, match="too complex"):
        parse_filter_policy(json.dumps(branch), BODY)


def test_size_and_depth_are_limited() -> None:
    with pytest.raises(FilterPolicyError, match="too large"):
        parse_filter_policy(json.dumps({"a": ["x" * POLICY_BYTES]}))
    with pytest.raises(FilterPolicyError, match="failed to parse JSON"):
        parse_filter_policy('{"a":' * 20_000, BODY)
    with pytest.raises(FilterPolicyError, match="failed to parse JSON"):
        parse_filter_policy('{"a":[NaN]}', BODY)


def test_no_policy() -> None:
    assert parse_filter_policy("{}") is None


def test_a_body_that_is_nested_too_deep_does_not_match() -> None:
    assert flat_body('{"a":' * 5_000 + "1" + "}" * 5_000) is None


def test_many_arrays_are_matched_quickly() -> None:
    policy = parse_filter_policy(json.dumps({"r": {"a": ["x"], "b": ["y"], "c": ["z"]}}), BODY)
    body = flat_body(json.dumps({"r": [{"a": "x", "b": "y", "c": "no"}, *[{"a": "x", "c": "z"}] * 20_000]}))
    assert policy is not None and not policy.matches({}, body)


@pytest.mark.parametrize(
    "policy, scope, attributes, body, says",
    [
        ({"a": ["x"]}, "MessageAttributes", [], None, 'a is absent, the policy wants ["x"]'),
        ({"a": ["x"]}, "MessageAttributes", [("a", "String", "y")], None, 'a is "y", the policy wants ["x"]'),
        ({"a": [1]}, "MessageBody", [], {"a": [2, 3.5]}, "a is 2, 3.5, the policy wants [1]"),
        ({"a": ["x"]}, "MessageBody", [], ["x"], "the message is not a JSON object"),
        (
            {"$or": [{"a": ["x"]}, {"b": [{"exists": False}]}]},
            "MessageBody",
            [],
            {"b": None},
            'a is absent, the policy wants ["x"]; or b is null, the policy wants [{"exists": false}]',
        ),
        (
            {"r": {"a": [1], "b": [2]}},
            "MessageBody",
            [],
            {"r": [{"a": 1}, {"b": 2}]},
            "no single element of an array fulfils r.a, r.b together",
        ),
        ({"a": ["x"]}, "MessageAttributes", [("a", "String.Array", "[]")], None, 'a is empty, the policy wants ["x"]'),
    ],
)
def test_why_not(policy: Any, scope: str, attributes: Any, body: Any, says: str) -> None:
    compiled = parse_filter_policy(json.dumps(policy), scope)
    assert compiled is not None
    values, flat = attribute_values(attributes), flat_body(json.dumps(body))
    assert not compiled.matches(values, flat)
    assert compiled.mismatch(values, flat) == says


# --- a plain model ------------------------------------------------------------------------------

SCALARS = st.sampled_from(["x", "y", 1, 2.5, True, False, None])
KEYS = st.sampled_from(["a", "b", "c"])
POLICIES = st.recursive(
    st.dictionaries(KEYS, st.lists(SCALARS, min_size=1, max_size=3), min_size=1, max_size=2),
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=2),
    max_leaves=4,
)
BODIES = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=3), lambda inner: st.dictionaries(KEYS, inner | SCALARS, max_size=3)
)


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _passes(policy: Any, body: Any) -> bool:
    for key, wanted in policy.items():
        if not isinstance(body, dict) or key not in body:
            return False
        found = body[key]
        if isinstance(wanted, dict):
            if not _passes(wanted, found):
                return False
        elif isinstance(found, dict) or not any(_same(found, value) for value in wanted):
            return False
    return True


def _compiled(policy: Any) -> FilterPolicy | None:
    """The policy, or None when it is too complex."""
    try:
        return parse_filter_policy(json.dumps(policy), BODY)
    except FilterPolicyError as error:
        if "too complex" in str(error):
            return None
        raise


@given(POLICIES, BODIES)
def test_nested_policies_of_equal_values(policy: dict[str, Any], body: dict[str, Any]) -> None:
    compiled = _compiled(policy)
    if compiled is None:
        return
    assert compiled.matches({}, flat_body(json.dumps(body))) is _passes(policy, body)


@given(POLICIES, BODIES, st.integers(0, 2), BODIES)
def test_an_element_of_an_array_matches_as_it_does_alone(
    policy: dict[str, Any], body: dict[str, Any], before: int, other: dict[str, Any]
) -> None:
    compiled = _compiled({"r": policy})
    if compiled is None:
        return
    elements = [other] * before + [body]
    found = compiled.matches({}, flat_body(json.dumps({"r": elements})))
    assert found is any(_passes(policy, element) for element in elements)
