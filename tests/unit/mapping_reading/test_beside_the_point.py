"""What is none of ours ends at a glance, and what is read once for many is what each says: as without either."""

import pytest
from msgspec.structs import fields

from fhir_mapping.checks import judge
from tests.support.bends import plain
from tests.support.care_bends import PLAIN, every_bend
from tests.support.charts import AS_OF, patient
from tests.support.forgetful import ask_everything

BENT = [(kind, place) for kind in PLAIN for place in range(len([*every_bend(kind)]))]


def said(record):
    return {part.name: repr(getattr(record, part.name)) for part in fields(record) if part.name != "mapping"}


@pytest.mark.parametrize(("kind", "place"), BENT)
def test_is_what_it_would_be_with_every_question_asked(gathered, kind, place):
    bent = [*every_bend(kind)][place]
    chart = gathered(patient(), bent, PLAIN[kind] | {"id": "x0"}, plain())
    at_a_glance = said(judge(chart, AS_OF))
    with pytest.MonkeyPatch.context() as patch:
        ask_everything(patch)
        assert said(judge(chart, AS_OF)) == at_a_glance
