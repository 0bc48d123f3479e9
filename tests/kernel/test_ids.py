"""Streams of chance: the n-th value depends on the seed, the stream and n alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.kernel.ids import Ids

STREAMS = st.sampled_from(["a", "b", "c"])


@given(order=st.lists(STREAMS, max_size=30), seed=st.integers(0, 2**70))
def test_a_stream_is_not_shifted_by_consumers_of_others(order: list[str], seed: int) -> None:
    mixed = Ids(seed)
    found: dict[str, list[str]] = {}
    for stream in order:
        found.setdefault(stream, []).append(mixed.uuid(stream))
    for stream, values in found.items():
        alone = Ids(seed)
        assert [alone.uuid(stream) for _ in values] == values


def test_seed_stream_and_incarnation_each_make_other_values() -> None:
    made = {Ids(seed, incarnation).uuid(stream) for seed in (1, 2) for incarnation in (0, 1) for stream in "ab"}
    assert len(made) == 8


def test_the_values_are_these_for_ever() -> None:
    """A recorded trace can be replayed only while these stay: change them knowingly."""
    ids = Ids(1)
    assert [ids.uuid("x"), ids.hex("x", 7), ids.token("x", 6), ids.take("x", 3).hex()] == [
        "85778d83-5fbd-4f04-8734-471867eb0193",
        "d661c77",
        "Znv7qX3/",
        "795fa3",
    ]


def test_values_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from simtriggers.kernel.ids import Ids; i = Ids(7); r = i.random('r');"
        "print(i.uuid('u'), r.random(), r.randint(1, 10**9), r.sample(range(100), 5), r.gauss(0, 1))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_forms() -> None:
    ids = Ids(3)
    for _ in range(64):
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", ids.uuid("u"))
    assert re.fullmatch("[0-9a-f]{9}", ids.hex("h", 9))
    assert len(ids.take("t", 64)) == 64
    assert len({ids.uuid("many") for _ in range(10_000)}) == 10_000


@given(before=st.lists(STREAMS, max_size=10), after=st.lists(STREAMS, max_size=10))
def test_restored_ids_go_on_where_they_were(before: list[str], after: list[str]) -> None:
    ids = Ids(5)
    for stream in before:
        ids.uuid(stream)
        ids.row_id()
    state = json.loads(json.dumps(ids.state()))
    expected = [(ids.uuid(stream), ids.row_id()) for stream in after]
    again = Ids(5)
    again.uuid("a")
    again.uuid("never used before")
    again.restore(state)
    assert [(again.uuid(stream), again.row_id()) for stream in after] == expected


def test_row_ids_count_from_one() -> None:
    ids = Ids(1)
    assert [ids.row_id(), ids.row_id(), ids.next_row] == [1, 2, 3]
    ids.next_row = 10
    assert ids.row_id() == 10


def test_random_has_the_distributions_of_the_standard_library() -> None:
    random = Ids(1).random("r")
    values = [random.random() for _ in range(2_000)]
    assert all(0 <= value < 1 for value in values)
    assert 0.45 < sum(values) / len(values) < 0.55
    assert {random.randrange(3) for _ in range(100)} == {0, 1, 2}
    assert all(random.getrandbits(bits) < 1 << bits for bits in range(0, 1100, 13))
    assert max(random.getrandbits(700) for _ in range(20)) >> 690 > 0
    random.seed(5)
    following = random.random()
    same = Ids(1).random("r")
    again = [same.random() for _ in values]
    assert again == values and following not in again


@pytest.mark.parametrize("size", [0, 65])
def test_a_stream_gives_1_to_64_bytes_at_a_time(size: int) -> None:
    with pytest.raises((AssertionError, ValueError)):
        Ids(1).take("t", size)
