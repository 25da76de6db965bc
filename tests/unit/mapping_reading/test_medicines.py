"""T1 and T2: which medication resources count, and what they are about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fhir_mapping.versions import version
from fhir_mapping.versions.r4 import unresolved_medications

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ORDERS = ["order", "original-order", "reflex-order", "filler-order", "instance-order"]


def rxnorm(*codes):
    return {"coding": [{"system": RXNORM, "code": code} for code in codes]}


def mg(value, unit="mg", **more):
    return {"value": value, "unit": unit, **more}


@pytest.fixture
def resource(request_):
    """A medication resource of any kind, with everything that its kind needs."""

    def make(kind="MedicationRequest", **more):
        if kind == "MedicationRequest":
            return request_(**more)
        times = (
            {"whenHandedOver": "2026-01-01"}
            if kind == "MedicationDispense"
            else {"effectiveDateTime": "2026-01-01"}
        )
        status = "completed" if kind in {"MedicationDispense", "MedicationAdministration"} else "active"
        kept = {key: value for key, value in request_().items() if key not in {"intent", "authoredOn"}}
        return {**kept, "resourceType": kind, "status": status, **times, **more}

    return make


@pytest.fixture
def treatment(record):
    def make(*resources):
        (found,) = record(*resources).treatments
        return found

    return make


# T2


@pytest.mark.parametrize(
    ("kind", "counted", "others"),
    [
        (
            "MedicationRequest",
            ["active", "completed", "stopped", "on-hold"],
            ["draft", "cancelled", "entered-in-error", "unknown"],
        ),
        (
            "MedicationStatement",
            ["active", "completed", "stopped", "on-hold"],
            ["intended", "entered-in-error", "unknown", "not-taken"],
        ),
        (
            "MedicationAdministration",
            ["completed", "in-progress", "stopped"],
            ["not-done", "on-hold", "entered-in-error", "unknown"],
        ),
        (
            "MedicationDispense",
            ["completed"],
            ["preparation", "in-progress", "cancelled", "on-hold", "entered-in-error", "stopped", "unknown"],
        ),
    ],
)
def test_each_kind_has_the_statuses_that_count(record, resource, kind, counted, others):
    for status in counted:
        (found,) = record(resource(kind, status=status)).treatments
        assert (found.kind, found.active) == (kind, status == "active")
    reasons = dict(zip(others, others, strict=True)) | {None: "no status", "odd": "unknown status"}
    for status, reason in reasons.items():
        found = record(resource(kind, status=status))
        assert (found.treatments, [r.reason for r in found.refused]) == ((), [reason])


@pytest.mark.parametrize("intent", [*ORDERS, "proposal", "plan", "option", None])
def test_only_an_order_counts(record, resource, intent):
    found = record(resource(intent=intent))
    assert len(found.treatments) == (intent in ORDERS)
    assert [r.reason for r in found.refused] == ([] if intent in ORDERS else [intent or "unknown status"])


def test_the_status_is_told_before_the_intent_and_that_before_do_not_perform(reasons, resource):
    assert reasons(resource(status="draft", intent="plan", doNotPerform=True)) == {
        "MedicationRequest/m1": "draft"
    }
    assert reasons(resource(intent="plan", doNotPerform=True)) == {"MedicationRequest/m1": "plan"}
    assert reasons(resource(doNotPerform=True)) == {"MedicationRequest/m1": "do not perform"}
    assert reasons(resource(doNotPerform=False)) == {}


def test_a_refused_treatment_says_what_it_would_have_been(record, resource):
    (refused,) = record(resource(status="draft")).refused
    assert refused.roles == {"prednisone"}


def test_a_medicine_that_no_rule_reads_is_not_judged_if_it_says_what_it_is(record, resource):
    words = {"medicationCodeableConcept": {**rxnorm("5521"), "text": "hydroxychloroquine"}}
    atc = {
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "N02BE01"}]}
    }
    found = record(resource(id="a", status="draft", **words), resource(id="b", status="draft", **atc))
    assert (found.treatments, found.refused) == ((), ())


@pytest.mark.parametrize("concept", [None, {}, rxnorm("5521"), {"coding": [{"code": "x"}]}])
def test_a_medicine_that_says_nothing_may_be_any(reasons, resource, concept):
    assert reasons(resource(medicationCodeableConcept=concept)) == {"MedicationRequest/m1": "unresolved"}


@pytest.mark.parametrize(
    "times",
    [
        {"authoredOn": "2026-03-02T12:00:01Z"},
        {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-04-01"}}}}]},
        {"dispenseRequest": {"validityPeriod": {"start": "2026-04-01"}}},
    ],
)
def test_what_starts_later_is_refused(reasons, resource, times):
    assert reasons(resource(**times)) == {"MedicationRequest/m1": "future"}


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("MedicationStatement", {"effectiveDateTime": "2026-04-01"}),
        ("MedicationAdministration", {"effectiveDateTime": None, "effectivePeriod": {"end": "2026-04-01"}}),
        ("MedicationDispense", {"whenHandedOver": "2026-04-01"}),
    ],
)
def test_each_kind_has_its_own_start(reasons, resource, kind, times):
    assert reasons(resource(kind, **times)) == {f"{kind}/m1": "future"}


def test_a_modifier_extension_is_told_first(reasons, resource):
    found = reasons(resource(status="draft", dosageInstruction=[{"modifierExtension": [{"url": "x"}]}]))
    assert found == {"MedicationRequest/m1": "modifier extension"}


# T1: what it is about


def test_codes_of_two_ingredients_in_one_concept_conflict(reasons, resource):
    both = {"MedicationRequest/m1": "conflicting codes"}
    assert reasons(resource(medicationCodeableConcept=rxnorm("8640", "1256"))) == both
    assert reasons(resource(medicationCodeableConcept=rxnorm("68149", "7145"))) == {}


def medication(id_="x", code=None, ingredients=(), **more):
    listed = [{"itemCodeableConcept": rxnorm(code)} for code in ingredients]
    return {
        "resourceType": "Medication",
        "id": id_,
        "code": code and rxnorm(code),
        "ingredient": listed,
        **more,
    }


def referring(resource, reference, **more):
    return resource(medicationCodeableConcept=None, medicationReference={"reference": reference}, **more)


@pytest.mark.parametrize(
    ("entry", "reference"),
    [
        (medication(code="1256"), "Medication/x"),
        (medication(code="1256"), "Medication/x/_history/2"),
        (("urn:uuid:7", medication(code="1256")), "urn:uuid:7"),
        (
            ("https://other.example/Medication/x", medication(code="1256")),
            "https://other.example/Medication/x",
        ),
        (medication(ingredients=["1256"]), "Medication/x"),
    ],
)
def test_a_medication_by_reference_is_found_in_the_entries(record, resource, entry, reference):
    found = record(referring(resource, reference), entry)
    assert [t.ingredient for t in found.treatments] == ["azathioprine"]


def test_a_contained_medication_is_found(treatment, resource):
    contained = [
        {"resourceType": "Organization"},
        medication("x", "1256"),
        medication("y", "8640"),
    ]
    assert treatment(referring(resource, "#y", contained=contained)).ingredient == "prednisone"


def test_several_ingredients_are_several_treatments(record, resource):
    found = record(
        referring(resource, "Medication/x"), medication(ingredients=["8640", "1256", "5521", "8640"])
    )
    assert [(t.resource, t.ingredient) for t in found.treatments] == [
        ("MedicationRequest/m1", "azathioprine"),
        ("MedicationRequest/m1", "prednisone"),
    ]


def test_an_ingredient_may_be_a_reference_again(record, resource):
    substance = {"resourceType": "Substance", "id": "s", "code": rxnorm("1256")}
    outer = medication("x", None)
    outer["ingredient"] = [
        {"itemReference": {"reference": "Substance/s"}},
        {"itemReference": {"reference": "#s"}},
        {"itemReference": {}},
        {},
        {"itemCodeableConcept": rxnorm("6851"), "isActive": False},
    ]
    outer["contained"] = [{"resourceType": "Substance", "id": "s", "code": rxnorm("8640")}]
    found = record(referring(resource, "Medication/x"), outer, substance)
    assert [t.ingredient for t in found.treatments] == ["azathioprine", "prednisone"]


def test_a_medication_that_contains_itself_ends(record, resource):
    endless = medication("x", "1256")
    endless["ingredient"] = [{"itemReference": {"reference": "Medication/x"}}]
    assert [t.ingredient for t in record(referring(resource, "Medication/x"), endless).treatments] == [
        "azathioprine"
    ]


def test_the_last_version_of_a_medication_counts(treatment, resource):
    versions = [
        medication(code="1256", meta={"versionId": "2"}),
        medication(code="8640", meta={"versionId": "1"}),
    ]
    assert treatment(referring(resource, "Medication/x"), *versions).ingredient == "azathioprine"


@pytest.mark.parametrize("broken", [{"code": "1256"}, {"ingredient": 5}, {"contained": "x", "code": None}])
def test_a_broken_medication_names_nothing(record, resource, broken):
    found = record(referring(resource, "Medication/x"), {**medication(), **broken})
    assert found.treatments == ()
    assert record(referring(resource, "#x", contained=[{**medication(), **broken}])).treatments == ()


def test_a_medication_with_a_modifier_extension_refuses_the_treatment(reasons, resource):
    found = reasons(
        referring(resource, "Medication/x"), medication(code="1256", modifierExtension=[{"url": "x"}])
    )
    assert found == {"MedicationRequest/m1": "modifier extension"}


def test_medications_that_were_not_gathered_are_named(gathered, resource, observation):
    base = "https://ehr.example/fhir"
    outer = medication("x", None)
    outer["ingredient"] = [
        {"itemReference": {"reference": "Medication/inner"}},
        {"itemReference": {"reference": "Substance/s"}},
    ]
    entries = gathered(
        outer,
        observation(),
        resource(),
        referring(resource, "Medication/x", id="a"),
        referring(resource, "Medication/y/_history/3", id="b"),
        referring(resource, f"{base}/Medication/z", id="c"),
        referring(resource, "https://other.example/Medication/no", id="d"),
        referring(resource, "urn:uuid:no", id="e"),
        referring(resource, "#no", id="f"),
        referring(resource, "Medication/../Patient/p2", id="g"),
        referring(resource, "Medication/y", id="h"),
        resource(
            "MedicationStatement",
            id="i",
            medicationCodeableConcept=None,
            medicationReference={"display": "pills"},
        ),
        base=base,
    )
    assert unresolved_medications(entries) == ("Medication/inner", "Medication/y", "Medication/z")


def bounded(*periods):
    return [{"timing": {"repeat": {"boundsPeriod": period}}} for period in periods]


def neutral(gathered, *resources, **settings):
    """The first resource as it is handed over, nothing judged."""
    return version("R4").read(gathered(*resources, **settings))[0]


@pytest.mark.parametrize(
    ("reference", "unresolved"),
    [
        ({"reference": "Medication/no"}, ("Medication/no",)),
        ({"reference": "https://ehr.example/fhir/Medication/no/_history/2"}, ("Medication/no",)),
        ({"reference": "urn:uuid:no"}, ("urn:uuid:no",)),
        ({"reference": "#no"}, ("#no",)),
        ({"identifier": {"value": "5"}}, ("",)),
        ({"display": "mycophenolate"}, ("",)),
        ({"reference": "Medication/x"}, ()),
        ({"reference": "Medication/coded"}, ()),
        ({"reference": "Medication/kit"}, ("Substance/no",)),
    ],
)
def test_a_medication_that_is_nowhere_is_handed_over_by_name(gathered, resource, reference, unresolved):
    nowhere = [{"itemReference": {"reference": "Substance/no"}}]
    medications = [
        medication(),
        {**medication("coded", "1256"), "ingredient": nowhere},
        {**medication("kit", None), "ingredient": nowhere},
    ]
    medicine = {**resource(), "medicationCodeableConcept": None, "medicationReference": reference}
    found = neutral(gathered, medicine, *medications, base="https://ehr.example/fhir")
    assert found.content().unresolved == unresolved
    assert found.readable


def test_the_words_of_a_medicine_are_those_of_its_product_its_ingredients_and_the_reference(
    gathered, resource
):
    product = medication("x", None) | {
        "code": {"coding": [{"display": "MMF"}, {"display": 5}], "text": "CellCept"},
        "ingredient": [{"itemCodeableConcept": {"text": "mycophenolate"}}],
    }
    medicine = {
        **resource(),
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/x", "display": "500 mg tablet"},
    }
    found = neutral(gathered, medicine, product)
    assert [(c.text, c.displays) for c in found.concepts] == [
        ("CellCept", ("MMF",)),
        ("mycophenolate", ()),
        ("", ("500 mg tablet",)),
    ]
    medicine["medicationReference"] = {"reference": "Medication/x", "display": {}}
    assert len(neutral(gathered, medicine, product).concepts) == 2


def test_the_last_resort_of_a_medicine_without_any_name(gathered, resource):
    found = neutral(gathered, {**resource(), "medicationCodeableConcept": None})
    assert (found.concepts, found.content().unresolved) == ((), ())


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("MedicationRequest", {"authoredOn": "long ago"}),
        ("MedicationRequest", {"dispenseRequest": {"validityPeriod": {"start": "?"}}}),
        ("MedicationRequest", {"dispenseRequest": {"validityPeriod": {"start": "2025", "end": ""}}}),
        ("MedicationRequest", {"dosageInstruction": bounded({"start": "?"})}),
        ("MedicationRequest", {"dosageInstruction": bounded({"start": "2025", "end": "?"})}),
        ("MedicationRequest", {"dosageInstruction": bounded({"start": "2025"}, {"start": "?"})}),
        ("MedicationStatement", {"effectiveDateTime": "?", "effectivePeriod": {"start": "2025"}}),
        ("MedicationStatement", {"effectiveDateTime": "?", "dosage": bounded({"start": "2025"})}),
        (
            "MedicationStatement",
            {"effectiveDateTime": None, "effectivePeriod": {"start": "?", "end": "2025"}},
        ),
        (
            "MedicationStatement",
            {"effectiveDateTime": None, "effectivePeriod": {"start": "2025", "end": "?"}},
        ),
        ("MedicationAdministration", {"effectiveDateTime": "?", "effectivePeriod": {"start": "2025"}}),
        ("MedicationDispense", {"whenHandedOver": "?", "whenPrepared": "2025-01-01"}),
        ("MedicationDispense", {"whenHandedOver": "?", "dosageInstruction": bounded({"start": "2025"})}),
    ],
)
def test_nothing_stands_in_for_a_time_that_cannot_be_read(reasons, resource, kind, times):
    assert reasons(resource(kind, **times)) == {f"{kind}/m1": "undated"}


@pytest.mark.parametrize(
    "times",
    [
        {"authoredOn": "?", "dispenseRequest": {"validityPeriod": {"start": "2025"}}},
        {"authoredOn": "?", "dosageInstruction": bounded({"start": "2025", "end": "2025"})},
        {
            "dispenseRequest": {"validityPeriod": {"start": "?", "end": "?"}},
            "dosageInstruction": bounded({"start": "2025", "end": "2025"}),
        },
    ],
)
def test_a_time_that_nothing_asks_for_may_be_of_any_form(record, resource, times):
    assert len(record(resource(**times)).treatments) == 1


@pytest.mark.parametrize(
    ("route", "stays"),
    [
        ("6064005", False),
        ("54485002", False),
        ("46713006", False),
        ("447694001", False),
        ("12130007", False),
        ("418401004", False),
        ("26643006", True),
    ],
)
def test_a_medicine_that_does_not_reach_the_whole_body_is_left_out_without_a_word(
    record, resource, route, stays
):
    coded = {"route": {"coding": [{"system": SNOMED, "code": route}]}}
    for kind, written in [
        ("MedicationRequest", {"dosageInstruction": [coded]}),
        ("MedicationAdministration", {"dosage": coded}),
    ]:
        found = record(resource(kind, **written))
        assert len(found.treatments) == stays
        assert found.refused == ()


def test_one_instruction_by_another_route_keeps_the_medicine(treatment, resource):
    routes = [{"route": {"coding": [{"system": SNOMED, "code": code}]}} for code in ("6064005", "47625008")]
    (dosage,) = treatment(resource(dosageInstruction=routes)).dosages
    assert [route.code for route in dosage.routes] == ["47625008"]


def test_a_form_that_the_site_excludes_leaves_the_medicine_out(record, resource, tables):
    from fhir_mapping.terms import CodeRow

    mapped = tables.with_site_map([CodeRow("urn:form", "OINT", "ointment", "excluded-route", "site")])
    ointment = medication(code="42316", form={"coding": [{"system": "urn:form", "code": "OINT"}]})
    found = record(referring(resource, "Medication/x"), ointment, tables=mapped)
    assert (found.treatments, found.refused) == ((), ())


# T3 and T4: what the episodes are made of


def test_the_times_of_a_request(treatment, resource):
    found = treatment(
        resource(
            dispenseRequest={
                "validityPeriod": {"start": "2025-12-01", "end": "2026-12-01"},
                "expectedSupplyDuration": {"value": 4, "unit": "weeks"},
                "numberOfRepeatsAllowed": 3,
            }
        )
    )
    assert found.authored.text == "2026-01-01"
    assert found.validity.start.text == "2025-12-01"
    assert found.validity.end.last == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (found.supply_days, found.repeats) == (28, 3)


def test_the_times_of_the_other_kinds(treatment, resource):
    statement = treatment(resource("MedicationStatement"))
    assert (statement.effective.start.text, statement.effective.end) == ("2026-01-01", None)
    period = {"start": "2025-01-01", "end": "2025-02-01"}
    statement = treatment(resource("MedicationStatement", effectiveDateTime=None, effectivePeriod=period))
    assert (statement.effective.start.text, statement.effective.end.text) == ("2025-01-01", "2025-02-01")
    given = treatment(resource("MedicationAdministration"))
    assert given.effective.start.text == given.effective.end.text == "2026-01-01"
    handed = treatment(
        resource("MedicationDispense", whenPrepared="2025-12-31", daysSupply={"value": 30, "unit": "d"})
    )
    assert (handed.handed_over.text, handed.supply_days) == ("2026-01-01", 30)
    prepared = treatment(resource("MedicationDispense", whenHandedOver=None, whenPrepared="2025-12-31"))
    assert (prepared.handed_over.text, prepared.supply_days) == ("2025-12-31", None)


@pytest.mark.parametrize(
    "supply",
    [
        {"value": 30, "unit": "boxes"},
        {"value": 0, "unit": "d"},
        {"value": -3, "unit": "d"},
        {"value": 3, "unit": "d", "comparator": "<"},
        {"unit": "d"},
    ],
)
def test_a_supply_that_says_nothing_is_unknown(treatment, resource, supply):
    assert treatment(resource("MedicationDispense", daysSupply=supply)).supply_days is None


def test_a_supply_without_a_unit_counts_days(treatment, resource):
    assert treatment(resource("MedicationDispense", daysSupply={"value": 30})).supply_days == 30


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("MedicationRequest", {"authoredOn": None}),
        ("MedicationStatement", {"effectiveDateTime": "last year"}),
        ("MedicationAdministration", {"effectiveDateTime": None}),
        ("MedicationDispense", {"whenHandedOver": None}),
    ],
)
def test_a_treatment_without_a_time_is_undated(reasons, resource, kind, times):
    assert reasons(resource(kind, **times)) == {f"{kind}/m1": "undated"}


@pytest.mark.parametrize(
    ("code", "status", "counts"),
    [("36567", "active", True), ("36567", "stopped", False), ("8640", "active", False)],
)
def test_only_an_active_statin_needs_no_time(record, resource, code, status, counts):
    statin = {"medicationCodeableConcept": rxnorm(code), "status": status, "effectiveDateTime": None}
    found = record(resource("MedicationStatement", **statin))
    assert len(found.treatments) == counts
    assert [r.reason for r in found.refused] == ([] if counts else ["undated"])


def test_within_the_tolerance_a_start_counts_as_at_as_of_and_a_later_part_keeps_its_own(
    treatment, resource, as_of
):
    soon = (as_of + timedelta(hours=1)).isoformat()
    periods = [{"start": "2025-01-01", "end": "2025-02-01"}, {"start": "2026-04-01", "end": "2026-05-01"}]
    found = treatment(
        resource(
            authoredOn=soon, dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": p}}} for p in periods]
        )
    )
    assert found.authored.first == as_of
    assert found.dosages[1].bounds.start.first == datetime(2026, 4, 1, tzinfo=UTC)
    assert found.dosages[1].bounds.end.last == as_of


def test_a_dose_in_full(treatment, resource):
    instruction = {
        "timing": {
            "repeat": {
                "boundsPeriod": {"start": "2026-01-01"},
                "frequency": 2,
                "period": 1,
                "periodUnit": "d",
            }
        },
        "route": {"coding": [{"system": SNOMED, "code": "26643006"}]},
        "doseAndRate": [{"doseQuantity": mg(0.01, "g")}],
    }
    (dosage,) = treatment(resource(dosageInstruction=[instruction])).dosages
    assert (dosage.dose_mg, dosage.frequency, dosage.period_days, dosage.as_needed) == (10, 2, 1, False)
    assert dosage.bounds.start.text == "2026-01-01"
    assert dosage.routes[0].code == "26643006"


@pytest.mark.parametrize(
    ("repeat", "frequency", "days"),
    [
        ({"frequency": 1, "period": 6, "periodUnit": "h"}, 1, Decimal("0.25")),
        ({"frequency": 1, "period": 1, "periodUnit": "wk"}, 1, 7),
        ({"frequency": 1, "period": 2.5, "periodUnit": "d"}, 1, Decimal("2.5")),
        ({"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"}, None, None),
        ({"frequency": 1, "period": 1, "periodMax": 2, "periodUnit": "d"}, None, None),
        ({"frequency": 1, "period": 1}, 1, None),
        ({"frequency": 1, "period": 0, "periodUnit": "d"}, 1, None),
        ({"frequency": 1, "period": 1, "periodUnit": "fortnight"}, 1, None),
        ({"frequency": 1}, 1, None),
        ({}, None, None),
    ],
)
def test_how_often(treatment, resource, repeat, frequency, days):
    (dosage,) = treatment(resource(dosageInstruction=[{"timing": {"repeat": repeat}}])).dosages
    assert (dosage.frequency, dosage.period_days) == (frequency, days)


@pytest.mark.parametrize(
    ("doses", "expected"),
    [
        ([{"doseQuantity": mg(10)}], 10),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(10)}], 10),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(20)}], None),
        ([{"doseQuantity": mg(10)}, {"doseRange": {"low": mg(10)}}], None),
        ([{"doseQuantity": mg(2, "tablet")}], None),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(2, "tablet")}, {"doseQuantity": mg(10)}], 10),
        ([{"doseQuantity": mg(2, "tablet")}, {"doseQuantity": mg(0.01, "g")}, {"doseQuantity": mg(10)}], 10),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(1, "mg/kg")}], 10),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(1, "tablet")}, {"doseQuantity": mg(20)}], None),
        ([{"doseQuantity": mg(10)}, {"doseQuantity": mg(2, "tablet", comparator="<")}], None),
        ([{"doseQuantity": mg(10, comparator="<")}], None),
        ([{"doseRange": {"low": mg(10), "high": mg(20)}}], None),
        ([], None),
    ],
)
def test_how_much(treatment, resource, doses, expected):
    (dosage,) = treatment(resource(dosageInstruction=[{"doseAndRate": doses}])).dosages
    assert dosage.dose_mg == expected


@pytest.mark.parametrize(
    ("written", "as_needed"),
    [
        ({"asNeededBoolean": True}, True),
        ({"asNeededBoolean": False}, False),
        ({"asNeededCodeableConcept": {"text": "pain"}}, True),
    ],
)
def test_only_when_needed(treatment, resource, written, as_needed):
    assert treatment(resource("MedicationStatement", dosage=[written])).dosages[0].as_needed is as_needed


def test_a_given_dose(treatment, resource):
    assert (
        treatment(resource("MedicationAdministration", dosage={"dose": mg(1000)})).dosages[0].dose_mg == 1000
    )
    assert treatment(resource("MedicationAdministration")).dosages == ()


def test_why_it_was_stopped(treatment, resource):
    reason = {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason",
                "code": "sintol",
            }
        ]
    }
    for kind, written in [
        ("MedicationRequest", {"statusReason": reason}),
        ("MedicationStatement", {"statusReason": [reason]}),
        ("MedicationAdministration", {"statusReason": [reason]}),
        ("MedicationDispense", {"statusReasonCodeableConcept": reason}),
    ]:
        assert [c.code for c in treatment(resource(kind, **written)).status_reasons] == ["sintol"]
