"""What a record prints is counted as a walk along every way would count it, and at less cost."""

import itertools
from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.results import shown
from cfiddle_slurm.results.shown import is_shown_in_proportion

NODES = 6
EDGES = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES + 2)), max_size=14)
KINDS = st.lists(st.sampled_from([list, dict, deque, "tuple"]), min_size=NODES, max_size=NODES)


def graph(kinds: list[Any], edges: list[tuple[int, int]]) -> Any:
    """Containers that hold each other and some words; the first of them."""
    held: list[list[int]] = [[] for _ in range(NODES)]
    for parent, child in edges:
        held[parent].append(child)
    nodes: list[Any] = [[] if kind == "tuple" else kind() for kind in kinds]
    everything = [*nodes, 1, "long" * 100, None]
    for i, kind in enumerate(kinds):
        if kind == "tuple":  # in which later ones stand as lists, or there would be no end to it
            everything[i] = tuple(everything[child] for child in held[i])
    for i, kind in enumerate(kinds):
        items = [everything[child] for child in held[i]]
        if kind is dict:
            nodes[i].update(enumerate(items))
        else:
            nodes[i].extend(items)
    return everything[0]


def printed(one: Any, inside: tuple[int, ...] = ()) -> int:
    """The items that are printed, counted as Python prints them."""
    items: Iterable[Any] = ()
    if isinstance(one, dict):
        items = itertools.chain(one, one.values())
    elif isinstance(one, list | tuple | deque):
        items = one
    count, inside = 0, (*inside, id(one))
    for item in items:
        count += 1 + (len(item) // 64 if isinstance(item, str) else 0)
        count += 0 if id(item) in inside else printed(item, inside)
    return count


@settings(max_examples=300)
@given(KINDS, EDGES)
def test_the_count_is_that_of_the_walk_along_every_way(
    kinds: list[Any], edges: list[tuple[int, int]]
) -> None:
    record = ("value", graph(kinds, edges))
    count = printed(record)
    assert is_shown_in_proportion(record, count - shown._SHOWN)
    assert not is_shown_in_proportion(record, count - 1 - shown._SHOWN)


def test_in_every_small_graph_of_lists() -> None:
    pairs = list(itertools.product(range(3), range(3)))
    for chosen in itertools.product((False, True), repeat=len(pairs)):
        nodes: list[list[Any]] = [[], [], []]
        for parent, child in itertools.compress(pairs, chosen):
            nodes[parent].append(nodes[child])
        for record in ([nodes[0]], [*nodes, *nodes]):
            count = printed(record)
            assert is_shown_in_proportion(record, count - shown._SHOWN)
            assert not is_shown_in_proportion(record, count - 1 - shown._SHOWN)


def looked_at(monkeypatch: pytest.MonkeyPatch, record: Any) -> int:
    """How many objects were asked for their items."""
    asked, original = itertools.count(), shown._shown_items

    def counted(one: object) -> Iterable[object]:
        next(asked)
        return original(one)

    monkeypatch.setattr(shown, "_shown_items", counted)
    is_shown_in_proportion(record, 0)
    monkeypatch.setattr(shown, "_shown_items", original)
    return next(asked)


def test_what_stands_in_many_places_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    row = [0] * 1000
    assert is_shown_in_proportion([row] * 1000, 0)
    assert looked_at(monkeypatch, [row] * 1000) < 1100


def test_so_it_is_below_and_above_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    circle: list[Any] = [[0] * 100]
    circle += [circle, circle]
    below: list[Any] = circle
    for _ in range(13):
        below = [below, below]
    assert is_shown_in_proportion(below, 0)
    assert looked_at(monkeypatch, below) < 300


def test_forty_lists_that_hold_the_one_before_twice() -> None:
    one: list[Any] = []
    for _ in range(40):
        one = [one, one]
    assert not is_shown_in_proportion(one, 1 << 30)
