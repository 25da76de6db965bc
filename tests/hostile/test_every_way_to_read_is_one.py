"""What fits is read at once, what does not is taken apart: whichever way is taken, `explain` says the same, byte for byte."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec
import pytest

from cds_service.commands.explain import caller_for, from_bytes
from cds_service.commands.explain.format import as_json
from cds_service.errors import InvalidRequestError, UnusableInput
from cds_service.fhir import bundle
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.web import body
from fhir_mapping.versions import r4_decoding, r4_plain
from tests.support.bends import results
from tests.support.care_bends import care
from tests.support.charts import AS_OF, ago, imnm_chart
from tests.support.forgetful import ask_everything
from tests.support.imnm_charts import drawn_record
from tests.support.nightly import count
from tests.support.records import drawn
from tests.support.service import call_body, prefetch_of
from tests.support.two_readings import packaged

DATA = Path(__file__).parents[1] / "data"
FILES = sorted([*DATA.glob("cases/clinical/*.json"), *DATA.glob("fhir-samples/*/*.json")])
NOTHING_FITS = msgspec.json.Decoder(int)
LIMITS = Limits()


def explained(text: bytes, as_of: datetime) -> str:
    caller = caller_for(Client(name="explain", accept_unknown_status=True))
    try:
        return json.dumps(as_json(from_bytes(text, caller, as_of, packaged()[1])))
    except UnusableInput as refusal:
        return str(refusal)


def each_way(text: bytes, as_of: datetime) -> Iterator[str]:
    """A Bundle at once; what is plain or none of ours as any other; entry by entry; the frame taken apart; each resource too."""
    for bundle_fits, frame_fits, resources_fit, plainly in (
        (True, True, True, True),
        (True, True, True, False),
        (False, True, True, True),
        (False, False, True, True),
        (False, False, False, False),
    ):
        with pytest.MonkeyPatch.context() as patch:
            if not bundle_fits:
                patch.setattr(r4_decoding, "_BUNDLE", NOTHING_FITS)
            if not frame_fits:
                patch.setattr(bundle, "RAW_BUNDLE", NOTHING_FITS)
            if not plainly:
                patch.setattr(r4_plain.Shared, "plain", lambda *_: None)
                ask_everything(patch)
            if not resources_fit:
                patch.setattr(r4_decoding, "_ANY", NOTHING_FITS)
                patch.setattr(r4_decoding, "_RESOURCE", NOTHING_FITS)
            yield explained(text, as_of)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_file(file: Path):
    assert len(set(each_way(file.read_bytes(), datetime(2026, 3, 1, tzinfo=UTC)))) == 1


@pytest.mark.parametrize("seed", range(count(4, 20)))
def test_drawn_records(seed: int):
    random = Random(seed)
    chosen = count(20, 50)  # of each kind
    for record in (*drawn(seed, chosen), *(drawn_record(random) for _ in range(chosen))):
        text, as_of = record.text().encode(), datetime.fromisoformat(record.as_of)
        assert len(set(each_way(text, as_of))) == 1, record.text()


@pytest.mark.parametrize("seed", range(count(10, 400)))
def test_results_that_are_plain_or_nearly_so(seed: int):
    random = Random(seed)
    reports = [report("r1", listed="o1"), report("r2", listed="o2")]
    chart = [*imnm_chart(), *results(random, 30), *reports]
    text = json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in chart]}).encode()
    assert len(set(each_way(text, AS_OF))) == 1


@pytest.mark.parametrize("seed", range(count(10, 400)))
def test_care_that_is_none_of_ours_or_nearly_so(seed: int):
    random = Random(seed)
    chart = [*imnm_chart(), *care(random, 40), *results(random, 3)]
    text = json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in chart]}).encode()
    assert len(set(each_way(text, AS_OF))) == 1


def report(number: str, listed: str) -> dict:
    return {
        "resourceType": "DiagnosticReport",
        "id": number,
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": ago(30),
        "result": [{"reference": f"Observation/{listed}"}],
    }


def reading(text: bytes) -> object:
    """The call as it is read, or why it is refused."""
    try:
        call = body.read(text, "patient-view", LIMITS)
    except InvalidRequestError as refusal:
        return refusal.message
    return repr(call), call.token, {key: bytes(value) for key, value in call.prefetch.items()}


ENVELOPE = call_body(prefetch=None) | {"extension": {"note": "a"}}
GIVEN = {key: prefetch_of(imnm_chart())[key] for key in ("patient", "conditions", "ana")}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "prefetch",
    [
        *({}, None, 5, [], "prefetch", GIVEN, GIVEN | {"ana": None}, GIVEN | {"other": 1}),
        *(
            {"other": {"prefetch": {}}},
            {"patient": {"prefetch": {"ana": 1}}},
            {"ana": 1, "x": 2, "patient": 3},
        ),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"extension": {"prefetch": {}}}, {"extension": {"prefetch": GIVEN}}])
def test_a_call(prefetch, beside, indent, is_first, monkeypatch):
    parts = [{"prefetch": prefetch}, ENVELOPE | beside]
    parts = parts if is_first else [ENVELOPE | beside, {"prefetch": prefetch}]
    members = {
        name: value for part in parts for name, value in part.items() if (name, value) != ("prefetch", None)
    }
    text = json.dumps(members, indent=indent).encode()
    at_once = reading(text)
    monkeypatch.setattr(body, "_WHOLE", NOTHING_FITS)
    assert reading(text) == at_once


@pytest.mark.parametrize(
    "members",
    [
        b'"prefetch":{"ana":1,"ana":1}',
        b'"prefetch":{"ana":1,"ana":2}',
        b'"prefetch":{"ana":1},"prefetch":{"ana":1}',
        b'"prefetch":{"ana":1},"prefetch":null',
        b'"prefetch":{"\\u0061na":1}',
        b'"pr\\u0065fetch":{"ana":1}',
        b'"pr\\u0065fetch":{"ana":1},"x":{"prefetch":{"ana":1}}',
        b'"x":{"prefetch":{"ana":1}},"pr\\u0065fetch":{"ana":1}',
        b'"x":{"prefetch":{ "ana":1}},"prefetch":{"ana":1}',
        b'"x":"prefetch","prefetch": { "ana" : 1 , "patient":{} } ',
        b'"prefetch":{"ana":1,"patient":\xff}',
        b'"prefetch":{"ana":1,"patient":"\xc3\xa4"}',
        b'"prefetch":{"ana":1',
    ],
)
def test_a_call_that_is_written_oddly(members, monkeypatch):
    text = json.dumps(ENVELOPE).encode()[:-1] + b"," + members + b"}"
    at_once = reading(text)
    monkeypatch.setattr(body, "_WHOLE", NOTHING_FITS)
    assert reading(text) == at_once
