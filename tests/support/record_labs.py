"""Drawn laboratory results: enzymes, ratios, antibodies, ANA, cardiac markers, blood counts."""

from .record_draw import LOINC, SNOMED, UCUM, Chart

STATUS = (*("final",) * 10, "amended", "corrected")
PRECISE = (*("instant",) * 6, *("day",) * 4, "second-before", "second-after", "offset", "naive")
LAB_AGES = (1, 10, 30, 60, 90, 180, 365, 400, 800, 1826, 2500)
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def observation(chart: Chart, role: str, time: str, **content) -> dict:
    """An Observation of one analyte."""
    name = chart.pick(*("effectiveDateTime",) * 9, "period", "issued")
    timing = {"effectivePeriod": {"end": time}} if name == "period" else {name: time}
    return chart.add(
        "Observation",
        status=chart.pick(*STATUS),
        code=chart.code("observations", role),
        **timing,
        **content,
    )


def enzyme_quantity(chart: Chart, value: float) -> dict:
    """An activity in one of the units that enzymes come in."""
    shape = chart.pick(*range(10), 10)
    if shape == 1:
        return {"value": rounded(value / 60), "unit": "ukat/L", "system": UCUM, "code": "ukat/L"}
    if shape == 2:
        return {"value": rounded(value / 1000), "unit": "kU/L", "system": UCUM, "code": "kU/L"}
    if shape == 3:
        return {"value": value, "unit": "IU/L", "system": UCUM, "code": "[iU]/L"}
    if shape == 4:
        return {"value": value, "unit": "IU/L"}
    if shape == 5:
        return {"value": value, "unit": "see note", "system": UCUM, "code": "U/L"}
    if shape == 6:
        return {"value": value, "unit": "U/L", "system": "http://local.example/units", "code": "E"}
    if shape == 10 and chart.rarely(2):
        wrong = ({"value": value}, {"value": value, "unit": "xyz"})
        clash = {"value": value, "unit": "kU/L", "system": UCUM, "code": "U/L"}
        return chart.pick(*wrong, clash, {**wrong[0], "system": UCUM, "code": "mmol/L"})
    return {"value": value, "unit": "U/L", "system": UCUM, "code": "U/L"}


def rounded(value: float) -> float:
    return round(value, 6)


def enzyme_range(chart: Chart, high: float) -> list | None:
    """Reference ranges: none, plain, in other units, by sex, age or type, or text only."""
    limit = {"value": high, "unit": "U/L", "system": UCUM, "code": "U/L"}
    male = {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}
    female = {"coding": [{"system": SNOMED, "code": "248152002"}]}
    kind = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
    years = {"system": UCUM, "code": "a", "unit": "a"}
    return chart.pick(
        None,
        [{"high": limit}],
        [{"high": {"value": high}}],
        [{"high": {"value": rounded(high / 60), "unit": "ukat/L"}}],
        [{"high": {**limit, "value": 10}, "appliesTo": [male]}, {"high": limit, "appliesTo": [female]}],
        [{"high": {**limit, "value": 10}}, {"high": limit, "age": {"low": {"value": 30, **years}}}],
        [{"high": {**limit, "value": 10}, "type": {"coding": [{"system": kind, "code": "treatment"}]}}],
        [{"high": limit, "type": {"coding": [{"system": kind, "code": "normal"}]}}, {"high": {"value": 10}}],
        [{"text": f"< {high}"}],
        [{"high": {"value": high, "unit": "stars"}}],
        [{"high": {**limit, "value": 0}}, {"high": limit, "age": {"high": {"value": 17, **years}}}],
        [{"high": {**limit, "value": 1000001}}, {"high": limit}],
    )


CK_VALUES = (5000, 1001, 1000, 999, 2500, 401, 400, 399, 301, 300, 299, 201, 200, 199, 100, 600, 450, 150)
PAIRS = (
    (173, 100),
    (174, 100),
    (172, 100),
    (210, 100),
    (86.5, 50),
    (86.6, 50),
    (69.2, 40),
    (41, 40),
    (40, 23),
    (40, 40),
    (30, 17),
    (60, 20),
    (9, 5),
    (60, 4),
    (60, 4.9),
    (100, 200),
)
SIGNS = (*(None,) * 14, "<", "<=", ">", ">=")


def with_sign(chart: Chart, quantity: dict) -> dict:
    sign = chart.pick(*SIGNS)
    return {**quantity, "comparator": sign} if sign else quantity


def ck(chart: Chart, time: str, *values: float) -> dict:
    value = chart.pick(*(values or CK_VALUES), 0, 1000000, 1000001) if chart.rarely(20) else None
    value = chart.pick(*(values or CK_VALUES)) if value is None else value
    quantity = with_sign(chart, enzyme_quantity(chart, value))
    ranges = enzyme_range(chart, 200)
    return observation(chart, "ck", time, valueQuantity=quantity, referenceRange=ranges)


def enzyme_pair(chart: Chart) -> list[dict]:
    """An AST and an ALT that belong together by specimen, report or time, or hardly."""
    age = chart.pick(*LAB_AGES) + chart.pick(0, 0, 1, -1)
    ast, alt = chart.pick(*PAIRS)
    apart = chart.pick(0, 0, 0, 0.5, 1, 1.00002, 7, 7.00002, 8)
    specimens = chart.pick((None, None), ("s1", "s1"), ("s2", "s2"), ("s1", "s2"), ("s1", None))
    drawn = []
    for role, value, when, specimen in (
        ("ast", ast, age, specimens[0]),
        ("alt", alt, age + apart, specimens[1]),
    ):
        if chart.rarely(9):
            continue
        quantity = with_sign(chart, enzyme_quantity(chart, value))
        held = {"reference": f"Specimen/{specimen}"} if specimen else None
        shapes = PRECISE if not chart.rarely(15) else ("month",)
        drawn.append(
            observation(
                chart,
                role,
                chart.when(when, shapes),
                valueQuantity=quantity,
                specimen=held,
                referenceRange=enzyme_range(chart, 40),
            )
        )
    if chart.rarely(3):
        drawn.append(ck(chart, chart.when(age + chart.pick(0, 3, -3, 7, 7.00002, -7, 8), PRECISE)))
    if chart.rarely(3):
        report(chart, drawn, age)
    return drawn


def report(chart: Chart, members: list[dict], age: float) -> None:
    chart.add(
        "DiagnosticReport",
        status=chart.pick("final", "final", "appended", "preliminary"),
        code={"coding": [{"system": LOINC, "code": chart.pick("24325-3", "99999-9")}]},
        effectiveDateTime=chart.when(age, ("day",)),
        result=[{"reference": f"Observation/{one['id']}"} for one in members],
    )


def direct_ratio(chart: Chart) -> None:
    role = chart.pick("ast-alt-ratio", "ast-alt-ratio", "alt-ast-ratio")
    value = chart.pick(1.73, 1.74, 1.72, 2, 0.578, 0.05, 0.049, 20, 20.1, 0.5, 0, 1.9)
    unit = chart.pick({}, {"unit": "ratio"}, {"system": UCUM, "code": "{ratio}"}, {"unit": "U/L"})
    specimen = chart.pick(None, "s1", "s2")
    observation(
        chart,
        role,
        chart.when(chart.pick(*LAB_AGES) + chart.pick(0, 0, 1, -1), PRECISE),
        valueQuantity=with_sign(chart, {"value": value, **unit}),
        specimen={"reference": f"Specimen/{specimen}"} if specimen else None,
    )


ANSWERS = (
    "Positive",
    "Negative",
    "Not detected",
    "non-reactive",
    "Nonreactive",
    "Detected",
    "Weakly positive",
    "Borderline",
    "POS",
    "neg",
    "No antibodies detected",
    "Positive; not reactive for others",
    "see comment",
    "1:160",
    "<1:10",
    "none detected, previously positive",
    "Present and confirmed",
    "1:40 positive",
    "indeterminate",
)
CODED = (
    (SNOMED, "10828004"),
    (SNOMED, "260385009"),
    (INTERPRETATION, "IND"),
    (INTERPRETATION, "POS"),
    ("http://local.example", "X"),
)


def antibody(chart: Chart, *roles: str) -> None:
    """Anti-SRP or anti-HMGCR in one of the shapes that laboratories use."""
    role = chart.pick(*(roles or ("anti-srp", "anti-hmgcr", "anti-srp titre")))
    drawn = antibody_value(chart, role)
    mark = chart.pick(*(None,) * 9, "POS", "NEG", "A", "H", "N", "WR", "E")
    if mark:
        drawn["interpretation"] = [{"coding": [{"system": INTERPRETATION, "code": mark}]}]
    observation(chart, role, chart.edge(400, 30, 2000), **drawn)


def antibody_value(chart: Chart, role: str) -> dict:
    shape = chart.pick("text", "text", "coded", "concept text", "quantity", "ratio", "component", "none")
    if shape == "text":
        return {"valueString": chart.pick(*ANSWERS)}
    if shape == "coded":
        system, code = chart.pick(*CODED)
        return {"valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}
    if shape == "concept text":
        return {"valueCodeableConcept": {"text": chart.pick(*ANSWERS)}}
    if shape == "quantity":
        unit = {"unit": "{titer}"} if "titre" in role else {"unit": "CU"}
        limit = chart.pick({"value": 20, **unit}, {"value": 20}, {"value": 20, "unit": "AU"}, None)
        return {
            "valueQuantity": with_sign(chart, {"value": chart.pick(21, 20, 19, 90), **unit}),
            "referenceRange": [{"high": limit}] if limit else [{"text": "<20"}],
        }
    if shape == "ratio":
        return {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": chart.pick(320, 40)}}}
    if shape == "component":
        said = chart.pick("Positive", "Negative", "Weakly reactive")
        return {"component": [{"code": {"text": "Result"}, "valueString": said}]}
    return {"dataAbsentReason": {"text": "unknown"}} if chart.rarely(2) else {}


TITRES = (320, 319, 321, 640, 160, 80, 1280, 40)
TITRE_TEXTS = (
    "1:{n}",
    "Positive 1:{n}",
    "ANA 1:{n} speckled",
    "1:{n} homogeneous",
    ">=1:{n}",
    ">1:{n}",
    "<1:{n}",
    "< 1:{n}",
    "≤1:{n}",
    "greater than 1:{n}",
    "1/{n}",
    "1 : {n}",
    "1:{n} cytoplasmic",
    "1:80 speckled, 1:{n} cytoplasmic",
    "1:80 homogeneous; 1:{n} nucleolar",
    "Positive 1:{n} (ref <1:80)",
    "1:80. Reference: <1:{n}",
    "(1:{n}) Positive",
    "1:1,{n}",
    "on 2024-01-1/{n}",
    "1:{n} speckled and cytoplasmic",
)
SCREENS = (
    "Negative",
    "Positive",
    "Not detected",
    "<1:80",
    "Weak positive",
    "Positive, cytoplasmic",
    "Negative, cytoplasmic staining",
    "Positive, speckled",
    "Positive (Ref: negative)",
    "see note",
)
PATTERNS = ("Speckled", "Cytoplasmic", "Cytoplasmic speckled", "Homogeneous", "Speckled, cytoplasmic")


def ana(chart: Chart) -> None:
    """An ANA result in any of the forms of notes 4.2."""
    age = chart.pick(100, 1000, 1826, 2200) + chart.pick(0, 0, 1, -1)
    time = chart.when(age, PRECISE)
    specimen = chart.pick(None, None, {"reference": "Specimen/a1"})
    shape = chart.pick(
        "text", "text", "quantity", "ratio", "integer", "bare", "screen", "screen", "component"
    )
    role = {"screen": "ana", "text": chart.pick("ana titre", "ana")}.get(shape, "ana titre")
    ana_result = observation(chart, role, time, specimen=specimen, **ana_value(chart, shape))
    if chart.rarely(4):
        role = chart.pick("ana pattern", "ana pattern cytoplasmic")
        same = chart.pick(time, time, chart.when(age + 3))
        said = chart.pick(*PATTERNS) if role == "ana pattern" else chart.pick("1:640", "Positive", "Negative")
        pattern = observation(chart, role, same, specimen=specimen, valueString=said)
        if chart.rarely(3):
            report(chart, [ana_result, pattern], age)
    if chart.rarely(15):
        panel(chart, time)


def ana_value(chart: Chart, shape: str) -> dict:
    titre = chart.pick(*TITRES)
    if shape == "text":
        text = chart.pick(*TITRE_TEXTS).replace("{n}", str(titre))
        return chart.pick({"valueString": text}, {"valueCodeableConcept": {"text": text}})
    if shape == "quantity":
        titre = chart.pick(titre, titre, titre, 0, 10000000, 10000001)
        unit = chart.pick(
            {}, {"unit": "{titer}"}, {"system": UCUM, "code": "{titer}"}, {"code": "1"}, {"unit": "AU"}
        )
        if "code" in unit:
            unit = {"system": UCUM, **unit}
        sign = chart.pick(None, None, "<", "<=", ">", ">=")
        signed = {"comparator": sign} if sign else {}
        return {"valueQuantity": {"value": titre, **unit, **signed}}
    if shape == "ratio":
        sign = chart.pick(None, None, "<", "<=", ">", ">=")
        signed = {"comparator": sign} if sign else {}
        one, other = {"value": 1}, {"value": titre}
        return {
            "valueRatio": chart.pick(
                {"numerator": {**one, **signed}, "denominator": other},
                {"numerator": {**other, **signed}, "denominator": one},
                {"numerator": one, "denominator": {**other, **signed}},
            )
        }
    if shape == "integer":
        return {"valueInteger": titre}
    if shape == "bare":
        return {"valueString": str(titre)}
    if shape == "component":
        return ana_components(chart, titre)
    return chart.pick(
        {"valueString": chart.pick(*SCREENS)},
        {
            "valueCodeableConcept": {
                "coding": [{"system": SNOMED, "code": chart.pick("260385009", "10828004")}]
            }
        },
        {
            "valueQuantity": {"value": chart.pick(3, 1), "unit": "index"},
            "referenceRange": [{"high": {"value": 1}}],
        },
        {
            "interpretation": [
                {"coding": [{"system": INTERPRETATION, "code": chart.pick("NEG", "POS", "WR")}]}
            ]
        },
    )


def ana_components(chart: Chart, titre: int) -> dict:
    local = {"text": "Titer"}
    nuclear = {"coding": [{"system": LOINC, "code": "20401-6"}]}
    cytoplasm = {"coding": [{"system": LOINC, "code": "55171-3"}]}
    return {
        "component": chart.pick(
            [{"code": nuclear, "valueQuantity": {"value": titre, "unit": "{titer}"}}],
            [
                {"code": local, "valueString": f"1:{titre}"},
                {"code": {"text": "Pattern"}, "valueString": chart.pick(*PATTERNS)},
            ],
            [{"code": cytoplasm, "valueString": f"1:{titre}"}, {"code": nuclear, "valueString": "1:80"}],
            [{"code": local, "valueInteger": titre}, {"code": local, "valueInteger": 80}],
        )
    }


def panel(chart: Chart, time: str) -> None:
    """A panel without value whose member carries the titre under a local code."""
    member = observation(chart, "ana", time, valueString=f"1:{chart.pick(*TITRES)}")
    member["code"] = {"coding": [{"system": "http://local.example", "code": "ANA2"}]}
    observation(chart, "ana", time, hasMember=[{"reference": f"Observation/{member['id']}"}])
