"""Drawn resources that rules 0 are about: words instead of codes, numbers in texts, intervals, what is nowhere."""

from . import record_courses as courses
from . import record_damage as damage
from . import record_history as history
from . import record_labs as labs
from .record_draw import LOINC, UCUM, Chart, codes_of

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
EVERYWHERE = (
    damage.no_subject,
    damage.subject_by_identifier_alone,
    damage.subject_on_another_server,
    damage.subject_that_was_not_sent,
    damage.subject_of_a_wrong_type,
    damage.modifier_extension,
    damage.modifier_extension_inside,
    damage.implicit_rules,
    damage.no_status,
    damage.status_that_does_not_exist,
    damage.status_of_a_wrong_type,
    damage.statuses_that_disagree,
    damage.status_unknown,
    damage.preliminary,
    damage.undated,
    damage.time_in_other_words,
    damage.time_of_a_wrong_type,
    damage.conflicting_codes,
    damage.no_unit,
    damage.unknown_unit,
    damage.units_that_disagree,
    damage.number_as_text,
    damage.value_beside_a_reason_for_its_absence,
    damage.medicine_that_is_nowhere,
)
OTHER_SOURCES = (
    "liver-disease",
    "alcohol-disorder",
    "haemolysis",
    "rhabdomyolysis",
    "myocardial-infarction heart-failure-cause",
)
LENGTHS = (
    "{n} U/L",
    ">{n} U/L",
    "> {n}",
    "{n}",
    "{n} IU/L (H)",
    "less than {n} U/L",
    "{n}-{m} U/L",
    "{n} – {m} U/l",
    "{n} to {m} UI/L",
    "1,{n3} U/L",
    "1.{n3} U/L",
    "12'{n3} U/L",
    "1 {n3} U/L HH",
    "GE {n} µkat/L",
    "{n} stars",
    "about {n} U/L",
    "haemolysed",
    "not done",
    "see comment",
)
FRACTIONS = (
    "30-35 %",
    "50-55 %",
    "45-55 %",
    ">50 %",
    "<50%",
    "0.45",
    "LVEF 60",
    "preserved",
    "49.9 %",
    "4 - 60 %",
)
UNITS = (
    "U/l",
    "u/L",
    "IU/l",
    "UI/L",
    "IE/L",
    "E/l",
    "U/L (37°C)",
    "units/L",
    "mU/mL",
    "µkat/l",
    "mckat/L",
    "kU/l",
)


def doubtful(chart: Chart) -> None:
    """One thing that could not be used, or could be and looks as if it could not."""
    chart.pick(
        damaged,
        damaged,
        number_in_text,
        interval,
        other_unit,
        several_ranges,
        diagnosis_in_words,
        antibody_in_words,
        medicine_in_words,
        medicine_nowhere,
        infusion,
        other_source_of_enzymes,
        two_troponins,
        ana_interval,
        panel_of_unread_members,
        on_another_name_of_the_server,
        damaged,
    )(chart)


def damaged(chart: Chart) -> None:
    """Any resource of the chart, in any way."""
    judged = ("Observation", "Condition", "Procedure", *history_kinds())
    held = [resource for resource in chart.resources if resource["resourceType"] in judged]
    if held:
        chart.pick(*EVERYWHERE)(chart.pick(*held))


def history_kinds() -> tuple:
    return ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")


def recent(chart: Chart) -> str:
    return chart.edge(1, 30, 90, 180, 365, 500, 730)


def number_in_text(chart: Chart) -> None:
    role = chart.pick("ck", "ck", "ast", "alt", "lvef", "troponin-i", "troponin-t")
    if role == "lvef":
        text = chart.pick(*FRACTIONS)
    else:
        number = chart.pick(150, 400, 401, 1001, 30, 14)
        text = chart.pick(*LENGTHS).replace("{n3}", f"{number % 1000:03}").replace("{n}", str(number))
        text = text.replace("{m}", str(number + chart.pick(1, 100, 1000)))
        if role.startswith("troponin"):
            text = text.replace("µkat/L", "ng/L").replace("IU/L", "pg/mL").replace("U/L", "ng/L")
    value = chart.pick({"valueString": text}, {"valueCodeableConcept": {"text": text}})
    labs.observation(chart, role, recent(chart), **value)


def interval(chart: Chart) -> None:
    role = chart.pick("ck", "ast", "lvef", "troponin-i")
    low, high = chart.pick((100, 150), (300, 500), (401, 5000), (45, 55), (50, 60), (5, 10), (10, 20))
    unit = {"lvef": "%", "troponin-i": "ng/L"}.get(role, "U/L")
    ends = {"low": {"value": low, "unit": unit}, "high": {"value": high, "unit": unit}}
    labs.observation(chart, role, recent(chart), valueRange=ends)


def other_unit(chart: Chart) -> None:
    unit = chart.pick(*UNITS)
    coded = {"system": UCUM, "code": unit} if chart.rarely(3) else {}
    quantity = {"value": chart.pick(150, 401, 8, 1001), "unit": unit, **coded}
    labs.observation(chart, chart.pick("ck", "ast"), recent(chart), valueQuantity=quantity)


def several_ranges(chart: Chart) -> None:
    """Limits of which nobody can say which holds, and bands with a title."""
    shape = chart.pick("enzyme", "troponin", "antibody", "bands", "normal")
    if shape in ("bands", "antibody"):
        titles = ("Negative", "Equivocal", "Positive") if shape == "bands" else ("", "", "")
        edges = ((None, 20), (20, 40), (40, None))
        ranges = []
        for title, (low, high) in zip(titles, edges, strict=True):
            held: dict = {"text": title} if title else {}
            held |= {"low": {"value": low, "unit": "CU"}} if low else {}
            held |= {"high": {"value": high, "unit": "CU"}} if high else {}
            ranges.append(held)
        quantity = labs.with_sign(chart, {"value": chart.pick(10, 30, 50, 20, 40), "unit": "CU"})
        role = chart.pick("anti-srp", "anti-hmgcr")
        labs.observation(chart, role, recent(chart), valueQuantity=quantity, referenceRange=ranges)
        return
    unit = "ng/L" if shape == "troponin" else "U/L"
    low, high = (14, 26) if unit == "ng/L" else (200, 400)
    ranges = [{"high": {"value": low, "unit": unit}}, {"high": {"value": high, "unit": unit}}]
    if shape == "normal":
        ranges[1]["text"] = "Normal"
    role = chart.pick("troponin-i", "troponin-t") if unit == "ng/L" else "ck"
    quantity = {"value": chart.pick(low, low + 1, high, high + 1, 5 * high), "unit": unit}
    labs.observation(chart, role, recent(chart), valueQuantity=quantity, referenceRange=ranges)


def diagnosis_in_words(chart: Chart) -> None:
    words = chart.pick(
        "Immune-mediated necrotizing myopathy",
        "IMNM, ruled out",
        "Anti-HMGCR myopathy",
        "family history of IMNM",
        "immunvermittelte nekrotisierende Myopathie",
        "免疫介导性坏死性肌病",
        "necrotizing myopathy",
    )
    drawn = history.condition(chart, chart.pick("broad", "ild", "dysphagia"), plain=not chart.rarely(3))
    if chart.rarely(2):
        drawn["code"] = {"text": words}
    else:
        drawn["code"] = {"coding": [{**drawn["code"]["coding"][0], "display": words}]}


def antibody_in_words(chart: Chart) -> None:
    words = chart.pick(
        "Anti-SRP Ab", "HMGCR antibody, IgG", "HMG-CoA reductase inhibitor level", "Myositis panel"
    )
    drawn = labs.antibody_value(chart, "anti-srp")
    observation = labs.observation(chart, "anti-srp", recent(chart), **drawn)
    observation["code"] = {"coding": [{"system": "http://local.example", "code": "AB1", "display": words}]}


def medicine_in_words(chart: Chart) -> None:
    words = chart.pick(
        "Methotrexate 15 mg tablet",
        "Rituximab 1000 mg infusion",
        "IVIG 10 %",
        "atorvastatin 40 mg",
        "no prednisone",
        "prednisolone eye drops",
        "human normal immunoglobulin",
        "Rho(D) immune globulin",
        "paracetamol 500 mg",
    )
    drawn = history.treatment(
        chart, chart.pick(*history_kinds()), "methotrexate", chart.pick(30, 100, 200, 400)
    )
    drawn.pop("medicationReference", None)
    drawn.pop("contained", None)
    drawn["medicationCodeableConcept"] = chart.pick(
        {"text": words}, {"coding": [{"system": "http://local.example", "code": "M", "display": words}]}
    )


def medicine_nowhere(chart: Chart) -> None:
    """A Medication that was not sent, or a medicine that says nothing at all."""
    drawn = history.treatment(
        chart, chart.pick(*history_kinds()), "methotrexate", chart.pick(30, 100, 200, 400)
    )
    for name in ("medicationCodeableConcept", "medicationReference", "contained"):
        drawn.pop(name, None)
    display = chart.pick(None, "azathioprine 50 mg", "rosuvastatin", "paracetamol")
    reference = {"reference": "Medication/nowhere"} | ({"display": display} if display else {})
    local = {"coding": [{"system": "http://local.example", "code": "M"}]}
    other = {"coding": [{"system": "http://www.whocc.no/atc", "code": chart.pick("N02BE01", "L04")}]}
    drawn |= chart.pick(
        {"medicationReference": reference},
        {"medicationReference": reference},
        {"medicationCodeableConcept": local},
        {"medicationCodeableConcept": other},
    )


def infusion(chart: Chart) -> None:
    """A Procedure with the code of what was infused (T1)."""
    codes = [
        (system, code)
        for name in ("ivig", "rituximab", "cyclophosphamide", "infliximab")
        for system, code in codes_of("medications")[name]
        if system == HCPCS
    ]
    system, code = chart.pick(*codes)
    for number in chart.how_many(1, 2, 3, 4):
        age = chart.pick(400, 200, 120) - 28 * number
        status = chart.pick("completed", "completed", "completed", "in-progress", "unknown", None)
        coded = {"coding": [{"system": system, "code": code}]}
        chart.add(
            "Procedure", status=status, code=coded, performedDateTime=chart.when(age, ("day", "instant"))
        )


def other_source_of_enzymes(chart: Chart) -> None:
    """D8: a Condition beside the pairs of the chart."""
    times = [
        resource["effectiveDateTime"]
        for resource in chart.resources
        if resource["resourceType"] == "Observation" and "effectiveDateTime" in resource
    ]
    near = chart.pick(*times) if times and not chart.rarely(3) else None
    drawn = history.condition(chart, *OTHER_SOURCES, plain=not chart.rarely(4))
    if near:
        drawn.pop("onsetPeriod", None)
        drawn["onsetDateTime"] = near
    if chart.rarely(4):
        drawn["abatementDateTime"] = chart.edge(30, 100, 400)


def two_troponins(chart: Chart) -> None:
    """Troponin T raised, and a troponin I beside it, a week away or later."""
    age = chart.pick(100, 30, 365)
    limit = chart.pick([{"high": {"value": 14, "unit": "ng/L"}}], None)
    later = chart.pick(0, 7, 7.00002, -7, 8, -20)
    values = (("troponin-t", chart.pick(60, 14, 15, 10), 0), ("troponin-i", chart.pick(10, 26, 27), later))
    for role, value, apart in values:
        quantity = labs.with_sign(chart, {"value": value, "unit": "ng/L"})
        labs.observation(
            chart, role, chart.when(age + apart, labs.PRECISE), valueQuantity=quantity, referenceRange=limit
        )


def ana_interval(chart: Chart) -> None:
    text = chart.pick(
        "1:80-1:160",
        "1:160 to 1:640",
        "1:320-1:640",
        "1:>640",
        "1 in 640",
        "> or = 1:320",
        "titer 640",
        "AC-19 1:640",
        "see note",
        "Positive at 1:160",
        "negative at 1:640",
        "QNS",
    )
    code = chart.pick("5048-4", "8061-4")
    value = {"valueString": text} if text else {}
    coded = {"coding": [{"system": LOINC, "code": code}]}
    time = chart.when(chart.pick(100, 1000), labs.PRECISE)
    chart.add("Observation", status="final", code=coded, effectiveDateTime=time, **value)


def panel_of_unread_members(chart: Chart) -> None:
    members = [{"reference": "Observation/nowhere"}]
    role = chart.pick("ana", "anti-srp", "anti-hmgcr", "ck")
    labs.observation(chart, role, recent(chart), hasMember=members)


def on_another_name_of_the_server(chart: Chart) -> None:
    """A subject on a base that the client's settings may know."""
    if chart.resources:
        resource = chart.pick(*chart.resources)
        if "subject" in resource:
            base = chart.pick("http://fhir.internal", "HTTP://FHIR.internal:80", "https://fhir.internal/")
            resource["subject"] = {"reference": f"{base}/Patient/p1"}


def activity_in_doubt(chart: Chart) -> None:
    """A course that the rules call absent or present, and one of its parts in doubt."""
    chart.pick(courses.two_agents, courses.year_of_steroid, courses.in_remission, courses.flare)(chart)
    damaged(chart)
