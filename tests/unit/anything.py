"""What a stranger may put where a value is expected: strategies for property tests."""

import json
from typing import Any

from hypothesis import strategies as st

HUGE = st.sampled_from([10**400, -(10**400), 10**4000, 1 << 63, (1 << 63) - 1])
"""Whole numbers beyond floats, and beyond 64 bits."""
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | HUGE
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "0", "-1", "1e999", "9" * 5000, "a\nb", "\0", "$(id)", "\ud800"])
)
ANYTHING = st.recursive(
    SCALARS | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
DEEP = st.sampled_from([200, 950, 985, 995, 3000, 15000]).map(lambda n: b"[" * n + b"]" * n)
"""JSON at and beyond the depth that Python's reader and writer can take."""


def json_of(fields: dict[str, Any], deep: bytes = b"") -> bytes:
    """A JSON object of these fields; the value ``"DEEP"`` is replaced by what is deep."""
    return json.dumps(fields).encode().replace(b'"DEEP"', deep or b"0")
