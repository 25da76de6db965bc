import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.json_text import in_ascii

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@pytest.mark.parametrize("code", range(256))
def test_each_character_is_written_as_json_writes_it(code):
    assert in_ascii({"a": f"b{chr(code)}c"}) == json.dumps({"a": f"b{chr(code)}c"})


@given(ANYTHING)
def test_whatever_json_holds_is_written_byte_for_byte_as_json_writes_it(value):
    assert in_ascii(value) == json.dumps(value)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 12.3, 1234567.8, 1e9, -0.5])
def test_durations_too(value):
    assert in_ascii([value]) == json.dumps([value])
