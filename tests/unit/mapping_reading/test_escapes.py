"""A name may be written with an escape (F2): wherever one may stand the resource is looked through."""

import pytest

from fhir_mapping.checks.extensions import _FEW, may_change_a_meaning


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (b"", False),
        (b'{"a":"b"}', False),
        (b'{"modifierExtension":[]}', True),
        (b'{"implicitRules":"x"}', True),
        (b'{"\\u006dodifierExtension":[]}', True),
        (b'{"a":"\\"b\\" \\n \\u00e9"}', True),
        (b'{"a":"\\u2264 5 \\\\ \\/"}', False),
        (b'{"a":"' + b'\\"' * _FEW + b'"}', False),
        (b'{"a":"' + b'\\"' * _FEW + b'"}{"\\u006dodifierExtension":1}', True),
        (b'{"a":"' + b'\\"' * (_FEW + 5) + b'\\u2264"}', False),
        (b"\\", False),
        (b"\\" * (_FEW + 1), False),
        (b"\\" * _FEW + b"u00", True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_name_or_an_escape_of_ascii_is_found_and_nothing_else(text, may):
    assert may_change_a_meaning(text) is may
