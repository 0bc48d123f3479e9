"""API destinations: what is sent, to whom with which headers, how often, and what becomes of an answer."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from simtriggers.aws.contracts import HttpEnded, HttpRequest
from simtriggers.errors import AwsFault
from simtriggers.runtimes.http import HttpStub, StubbedResponse
from simtriggers.services.eventbridge.http_requests import outcome
from simtriggers.simulation import Simulation

from .world import bodies, details, kinds, world

URL = "https://partner.example/"
BASIC = "basic: {username: u, password: p}"


def project(
    *,
    auth: str = BASIC,
    destination: str = "",
    target: str = "",
    endpoint: str = f"{URL}orders",
) -> str:
    """A rule that sends orders to an API destination."""
    return f"""
connections: {{c: {{{auth}}}}}
api_destinations: {{d: {{connection: c, invocation_endpoint: "{endpoint}"{destination}}}}}
rules:
  r:
    event_bus_name: shop
    event_pattern: {{source: [shop]}}
    targets: [{{api_destination: d, dead_letter_target: dlq{target}}}]
"""


def answering(*responses: StubbedResponse | int, url: str = URL) -> HttpStub:
    return HttpStub(
        url, tuple(each if isinstance(each, StubbedResponse) else StubbedResponse(each) for each in responses)
    )


def put(sim: Simulation, count: int = 1) -> None:
    for number in range(count):
        sim.event_bus("shop").put_event("shop", "order", {"n": number})
    sim.run_until_idle()


def sent(stub: HttpStub) -> HttpRequest:
    (request,) = stub.received
    return request


def letter(sim: Simulation) -> dict[str, str]:
    (found,) = sim.queue("dlq").messages()
    return {name: text for name, _, text in found.message_attributes}


# --- requests -----------------------------------------------------------------------------------


def test_a_request() -> None:
    stub = answering(200)
    with world(project(), endpoints=[stub]) as sim:
        put(sim)
        request = sent(stub)
        assert (request.method, request.url, request.timeout_ms) == ("POST", f"{URL}orders", 5000)
        assert json.loads(request.body)["detail"] == {"n": 0}
        assert request.headers == (
            ("User-Agent", "Amazon/EventBridge/ApiDestinations"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Range", "bytes=0-1048575"),
            ("Accept-Encoding", "gzip,deflate"),
            ("Authorization", "Basic dTpw"),
        )
        assert kinds(sim)[-2:] == ["HttpRequestSent", "HttpRequestSucceeded"]


def test_an_api_key() -> None:
    stub = answering(200)
    with world(project(auth="api_key: {api_key_name: X-Key, api_key_value: made-up}"), endpoints=[stub]) as sim:
        put(sim)
        assert sent(stub).headers[-1] == ("X-Key", "made-up")


def test_parameters_of_target_and_connection() -> None:
    target = (
        ", http_parameters: {path_parameter_values: [a b, c],"
        " header_parameters: {X-One: target, content-type: text/plain},"
        " query_string_parameters: {q: t, only: t}}, input: {a: 1}"
    )
    more = (
        "invocation_http_parameters: {header_parameters: {x-one: connection}, query_string_parameters: {q: c d},"
        " body_parameters: {tenant: acme}}"
    )
    stub = answering(200)
    text = project(auth=f"{BASIC}, {more}", target=target, endpoint=f"{URL}*/x/*?fixed=1")
    with world(text, endpoints=[stub]) as sim:
        put(sim)
        request = sent(stub)
        assert request.url == f"{URL}a%20b/x/c?fixed=1&q=c%20d&only=t"
        headers = dict(request.headers)
        assert (headers["X-One"], headers["Content-Type"]) == ("connection", "text/plain")
        assert json.loads(request.body) == {"a": 1, "tenant": "acme"}


def test_methods_without_a_body() -> None:
    stub = answering(200)
    with world(project(destination=", http_method: GET"), endpoints=[stub]) as sim:
        put(sim)
        assert (sent(stub).method, sent(stub).body) == ("GET", "")


def test_body_parameters_are_for_objects() -> None:
    stub = answering(200)
    text = project(auth=f"{BASIC}, invocation_http_parameters: {{body_parameters: {{a: b}}}}", target=", input: [1]")
    with world(text, endpoints=[stub]) as sim:
        put(sim)
        assert sent(stub).body == "[1]"


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, error, code, again",
    [
        (401, "", "ERROR_FROM_TARGET", True),
        (407, "", "ERROR_FROM_TARGET", True),
        (409, "", "ERROR_FROM_TARGET", True),
        (429, "", "THROTTLING", True),
        (500, "", "ERROR_FROM_TARGET", True),
        (503, "", "ERROR_FROM_TARGET", True),
        (301, "", "ERROR_FROM_TARGET", False),
        (400, "", "ERROR_FROM_TARGET", False),
        (403, "", "ERROR_FROM_TARGET", False),
        (404, "", "ERROR_FROM_TARGET", False),
        (0, "timeout", "TIMEOUT", True),
        (0, "ConnectionRefusedError: no", "CONNECTION_FAILURE", True),
        (0, "gaierror: no such host", "CONNECTION_FAILURE", False),
    ],
)
def test_outcome(status: int, error: str, code: str, again: bool) -> None:
    assert outcome(HttpEnded("r", 1, 0, status, (), "", error, 1)) == (code, again)


def test_a_failing_endpoint_is_asked_again() -> None:
    stub = answering(500, 503, 429, 204)
    with world(project(), endpoints=[stub]) as sim:
        put(sim)
        assert [request.attempt for request in stub.received] == [1, 2, 3, 4]
        assert len({request.request_id for request in stub.received}) == 1
        assert bodies(sim, "dlq") == []
        again = [row["retry_at_ms"] for row in details(sim, "DeliveryFailed")]
        waits = [
            later - row.at_ms
            for later, row in zip(again, [row for row in sim.trace if row.kind == "DeliveryFailed"], strict=True)
        ]
        assert all(low * 0.8 <= wait <= low for wait, low in zip(waits, (1000, 2000, 4000), strict=True))


def test_an_answer_that_takes_too_long() -> None:
    stub = answering(StubbedResponse(200, delay_ms=5001), StubbedResponse(200, delay_ms=5000))
    with world(project(), endpoints=[stub]) as sim:
        put(sim)
        assert [row["code"] for row in details(sim, "DeliveryFailed")] == ["TIMEOUT"]
        assert len(stub.received) == 2


def test_given_up_after_its_retries() -> None:
    stub = answering(500)
    target = ", retry_policy: {maximum_retry_attempts: 2}, input: {x: 1}"
    with world(project(target=target), endpoints=[stub]) as sim:
        put(sim)
        found = letter(sim)
        assert (found["ERROR_CODE"], found["ERROR_MESSAGE"]) == ("ERROR_FROM_TARGET", "HTTP status 500")
        assert (found["EXHAUSTED_RETRY_CONDITION"], found["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "2")
        assert found["TARGET_ARN"] == sim.names.api_destination("d")
        assert found["RULE_ARN"] == sim.names.rule("r", "shop")
        assert json.loads(bodies(sim, "dlq")[0])["detail"] == {"n": 0}
        assert len(stub.received) == 3


def test_a_final_answer() -> None:
    stub = answering(404)
    with world(project(), endpoints=[stub]) as sim:
        put(sim)
        found = letter(sim)
        assert (found["RETRY_ATTEMPTS"], "EXHAUSTED_RETRY_CONDITION" in found) == ("0", False)


def test_an_address_that_does_not_resolve() -> None:
    with world(project()) as sim:
        put(sim)
        assert letter(sim)["ERROR_CODE"] == "CONNECTION_FAILURE"


@pytest.mark.parametrize(
    "header, least_ms",
    [
        (("Retry-After", "90"), 90_000),
        (("retry-after", "Thu, 15 Jan 2026 12:02:00 GMT"), 119_000),
        (("Retry-After", "soon"), 0),
    ],
)
def test_retry_after_counts_where_it_is_longer(header: tuple[str, str], least_ms: int) -> None:
    stub = answering(StubbedResponse(503, headers=(header,)), 200)
    with world(project(), endpoints=[stub]) as sim:
        put(sim)
        (failed,) = [row for row in sim.trace if row.kind == "DeliveryFailed"]
        wait = failed.details["retry_at_ms"] - failed.at_ms
        assert least_ms <= wait <= max(least_ms, 1000) + 1000


def test_retry_after_beyond_the_age_of_an_event() -> None:
    stub = answering(StubbedResponse(503, headers=(("Retry-After", "3600"),)))
    with world(project(target=", retry_policy: {maximum_event_age: 10m}"), endpoints=[stub]) as sim:
        put(sim)
        assert letter(sim)["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"


# --- rate ---------------------------------------------------------------------------------------


def test_the_rate_holds_requests_back() -> None:
    stub = answering(200)
    with world(project(destination=", invocation_rate_limit_per_second: 4"), endpoints=[stub]) as sim:
        for number in range(5):
            sim.event_bus("shop").put_event("shop", "order", {"n": number})
        sim.run_until_idle()
        at = [row.at_ms - sim.start_ms for row in sim.trace if row.kind == "HttpRequestSent"]
        assert at == [0, 250, 500, 750, 1000]
        assert [json.loads(request.body)["detail"]["n"] for request in stub.received] == [0, 1, 2, 3, 4]


def test_retries_keep_to_the_rate_too() -> None:
    stub = answering(*[500] * 3, 200)
    with world(project(destination=", invocation_rate_limit_per_second: 1"), endpoints=[stub]) as sim:
        for number in range(3):
            sim.event_bus("shop").put_event("shop", "order", {"n": number})
        sim.run_until_idle()
        at = [row.at_ms for row in sim.trace if row.kind == "HttpRequestSent"]
        assert len(at) == 6
        assert all(later - earlier >= 1000 for earlier, later in pairwise(at))


# --- OAuth --------------------------------------------------------------------------------------

OAUTH = (
    "oauth: {client_id: id, client_secret: s e, authorization_endpoint: 'https://auth.example/token',"
    " oauth_http_parameters: {body_parameters: {scope: orders}, header_parameters: {X-A: b}}}"
)
AUTH = "https://auth.example/"


def token(text: str, lasts: int | None = None) -> StubbedResponse:
    answer: dict[str, Any] = {"access_token": text, "token_type": "Bearer"}
    return StubbedResponse(200, json.dumps(answer | ({} if lasts is None else {"expires_in": lasts})))


def test_a_token_is_asked_for_once() -> None:
    auth, stub = answering(token("t1"), url=AUTH), answering(200)
    with world(project(auth=OAUTH), endpoints=[auth, stub]) as sim:
        for number in range(3):
            sim.event_bus("shop").put_event("shop", "order", {"n": number})
        sim.run_until_idle()
        put(sim)
        request = sent(auth)
        assert (request.method, request.url) == ("POST", "https://auth.example/token")
        assert request.body == "grant_type=client_credentials&client_id=id&client_secret=s%20e&scope=orders"
        assert dict(request.headers)["Content-Type"] == "application/x-www-form-urlencoded"
        assert dict(request.headers)["X-A"] == "b"
        assert [dict(each.headers)["Authorization"] for each in stub.received] == ["Bearer t1"] * 4


def test_a_refused_token_is_renewed() -> None:
    auth, stub = answering(token("t1"), token("t2"), url=AUTH), answering(200, 401, 200)
    with world(project(auth=OAUTH), endpoints=[auth, stub]) as sim:
        put(sim)
        put(sim)
        assert [dict(each.headers)["Authorization"][-2:] for each in stub.received] == ["t1", "t1", "t2"]
        assert bodies(sim, "dlq") == []


def test_a_token_is_renewed_a_minute_before_it_ends() -> None:
    auth, stub = answering(token("t1", 3600), token("t2", 3600), url=AUTH), answering(200)
    with world(project(auth=OAUTH), endpoints=[auth, stub]) as sim:
        put(sim)
        sim.advance("58m")
        put(sim)
        sim.advance("61s")
        put(sim)
        assert [dict(each.headers)["Authorization"][-2:] for each in stub.received] == ["t1", "t1", "t2"]


@pytest.mark.parametrize(
    "answer", [StubbedResponse(500), StubbedResponse(200, "no"), StubbedResponse(200, "{}"), StubbedResponse(0)]
)
def test_no_token(answer: StubbedResponse) -> None:
    auth, stub = answering(answer, url=AUTH), answering(200)
    text = project(auth=OAUTH, target=", retry_policy: {maximum_retry_attempts: 1}")
    with world(text, endpoints=[auth, stub]) as sim:
        put(sim)
        assert stub.received == []
        assert len(auth.received) == 2
        assert letter(sim)["ERROR_CODE"] == "CONNECTION_FAILURE"
        assert kinds(sim).count("TokenRefused") == 2


def test_a_token_by_get() -> None:
    auth, stub = answering(token("t1"), url=AUTH), answering(200)
    text = project(auth=OAUTH.replace("oauth: {", "oauth: {http_method: GET, "))
    with world(text, endpoints=[auth, stub]) as sim:
        put(sim)
        assert sent(auth).url.startswith("https://auth.example/token?grant_type=client_credentials&client_id=id&")
        assert sent(auth).body == ""


# --- restarts, changes --------------------------------------------------------------------------


def test_a_restart_sends_again_what_was_under_way() -> None:
    stub = answering(StubbedResponse(200, delay_ms=1000))
    with world(project(), endpoints=[stub]) as sim:
        sim.event_bus("shop").put_event("shop", "order", {})
        sim.advance("500ms")
        sim.restart()
        sim.run_until_idle()
        assert [request.attempt for request in stub.received] == [1, 1]
        assert kinds(sim).count("HttpRequestInterrupted") == 1
        assert kinds(sim).count("HttpRequestSucceeded") == 1


def test_a_restart_while_a_token_is_asked_for() -> None:
    slow = StubbedResponse(200, '{"access_token": "t"}', 1000)
    auth, stub = answering(slow, url=AUTH), answering(200)
    with world(project(auth=OAUTH), endpoints=[auth, stub]) as sim:
        sim.event_bus("shop").put_event("shop", "order", {})
        sim.advance("500ms")
        sim.restart()
        sim.run_until_idle()
        assert (len(auth.received), len(stub.received)) == (2, 1)


def test_a_destination_that_is_deleted_meanwhile() -> None:
    stub = answering(500)
    with world(project(), endpoints=[stub]) as sim:
        sim.event_bus("shop").put_event("shop", "order", {})
        sim.advance("100ms")
        sim.events.delete_api_destination("d")
        sim.run_until_idle()
        assert (len(stub.received), letter(sim)["ERROR_CODE"]) == (1, "NO_RESOURCE")
        put(sim)
        assert len(bodies(sim, "dlq")) == 2


def test_requests_about_connections_and_destinations() -> None:
    with world("") as sim:
        auth = {"authorization_type": "BASIC", "auth_parameters": {"username": "u", "password": "secret"}}
        arn = sim.events.put_connection("c", auth)
        assert arn == sim.names.connection("c")
        found = sim.events.describe_connection("c")
        assert (found.state, found.settings["auth_parameters"]) == ("AUTHORIZED", {"username": "u"})
        settings = {"connection_arn": arn, "invocation_endpoint": URL, "http_method": "POST"}
        sim.events.put_api_destination("d", settings)
        sim.events.put_api_destination("d", {"invocation_rate_limit_per_second": 5}, create=False)
        assert sim.events.describe_api_destination("d").settings["invocation_rate_limit_per_second"] == 5
        put_c, put_d = sim.events.put_connection, sim.events.put_api_destination
        gone = sim.names.connection("n")
        for call, name, given, code in (
            (put_c, "c", auth, "ResourceAlreadyExistsException"),
            (put_c, "x", {**auth, "authorization_type": "NONE"}, "ValidationException"),
            (put_c, "x", {**auth, "auth_parameters": {}}, "ValidationException"),
            (put_d, "x", {**settings, "invocation_endpoint": "http://far.example"}, "ValidationException"),
            (put_d, "x", {**settings, "http_method": "TRACE"}, "ValidationException"),
            (put_d, "x", {**settings, "invocation_rate_limit_per_second": 0}, "ValidationException"),
            (put_d, "x", {**settings, "connection_arn": gone}, "ResourceNotFoundException"),
        ):
            with pytest.raises(AwsFault) as caught:
                call(name, given)
            assert caught.value.code == code
        assert [each.name for each in sim.events.connections()] == ["c"]
        assert [each.name for each in sim.events.api_destinations()] == ["d"]
        sim.events.delete_connection("c")
        with pytest.raises(AwsFault, match=r"Connection c does not exist\."):
            sim.events.describe_connection("c")
        assert "secret" not in "".join(sim.trace_lines())


def test_http_is_for_this_machine() -> None:
    stub = answering(200, url="http://localhost:8080/")
    with world(project(endpoint="http://localhost:8080/x"), endpoints=[stub]) as sim:
        put(sim)
        assert len(stub.received) == 1
