"""Drawn courses: treatments and CK results that lie together at the edges of T6, T7, T9, R2 and V2."""

from copy import deepcopy

from . import record_history as history
from . import record_labs as labs
from . import record_other_labs as other_labs
from .record_draw import LOINC, UCUM, Chart

DAYS = ("day", "instant", "instant", "offset")


def ck_at(chart: Chart, age: float, *values: float) -> None:
    """A CK in plain U/L without range, so that its edges are those of the default limit."""
    if age > -1:
        quantity = {"value": chart.pick(*values), "unit": "U/L", "system": UCUM, "code": "U/L"}
        labs.observation(chart, "ck", chart.when(age, DAYS), valueQuantity=labs.with_sign(chart, quantity))


def given(chart: Chart, ingredient: str, begun: float, ended: float | None, *doses: float) -> dict:
    """One plain Request of a medicine, with a period of its own and 10 mg a day or about that."""
    repeat: dict = {"frequency": 1, "period": 1, "periodUnit": "d"}
    repeat["boundsPeriod"] = history.drawn_bounds(chart, begun, ended)
    dose = {
        "value": chart.pick(*(doses or (10, 9.9, 5, 20, 7.5, 8))),
        "unit": "mg",
        "system": UCUM,
        "code": "mg",
    }
    return chart.add(
        "MedicationRequest",
        status=chart.pick("active", "completed", "stopped"),
        intent="order",
        authoredOn=chart.when(begun, ("day",)),
        medicationCodeableConcept=history.concept_of(chart, ingredient),
        dosageInstruction=[{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}]}],
    )


def two_agents(chart: Chart) -> None:
    """T6 and T8: a second agent about 60 days after the first, beside a glucocorticoid, and what came of it."""
    first = chart.pick(600, 400, 900, 250)
    second = first - chart.pick(60, 59, 61, 90, 89, 120)
    lengths = (90, 89, 91, 200)
    one = chart.pick("methotrexate", "azathioprine", "ivig", "rituximab")
    other = chart.pick(
        "mycophenolate", "tacrolimus", "rituximab", "cyclophosphamide", "tofacitinib", "efgartigimod"
    )
    given(chart, one, first, first - chart.pick(*lengths))
    given(chart, other, second, max(second - chart.pick(*lengths), -1))
    steroid = chart.pick("prednisone", "prednisone", "hydrocortisone", "methylprednisolone")
    if chart.rarely(3):
        drawn = given(chart, "prednisone", first, -1, 5, 9.9)
        twin = chart.add("MedicationRequest")
        twin |= {name: deepcopy(held) for name, held in drawn.items() if name != "id"}
        return
    begun = chart.pick(first, second + 1, second - 89, second - 180)
    given(chart, steroid, begun, max(begun - chart.pick(300, 30, 1, 180), -1))
    if chart.rarely(2):
        ck_at(chart, second - chart.pick(90, 89, 91, 730, 731, 180), 401, 400, 1000, 399)
    if chart.rarely(4):
        third = second - chart.pick(90, 89, 91)
        given(chart, chart.pick("leflunomide", "belimumab", "ciclosporin"), third, None)


def year_of_steroid(chart: Chart) -> None:
    """T7: a year of glucocorticoid and the CK values at its beginning and after it."""
    begun = chart.pick(500, 400, 366, 365, 364, 800)
    given(chart, "prednisone", begun, chart.pick(None, -1, 0, begun - 365, begun - 366, begun - 364))
    ck_at(chart, begun - chart.pick(0, 30, 90, 91, -1), 2000, 900, 1000, 802, 4000)
    for _ in chart.how_many(1, 2, 1):
        ck_at(chart, begun - chart.pick(365, 366, 364, 380, 400), 401, 1000, 1001, 999, 450, 500, 400)


def infusions(chart: Chart) -> None:
    """T3 and T6: administrations whose gaps and distances lie at the limits."""
    ingredient = chart.pick("ivig", "rituximab", "infliximab", "cyclophosphamide", "ivig")
    apart = chart.pick(14, 13, 28, 120, 121, 45, 46, 270, 271)
    begun = chart.pick(400, 300, 200)
    for number in chart.how_many(2, 3, 4, 3):
        if begun - number * apart > -1:
            history.treatment(chart, "MedicationAdministration", ingredient, begun - number * apart)


def refills(chart: Chart) -> None:
    """T3: supplies of 30 days whose gaps are about 45 days, or single infusions about 120 or 270 days apart."""
    ingredient, days, gap = chart.pick(
        ("prednisone", 30, 45), ("methotrexate", 30, 45), ("infliximab", 1, 120), ("rituximab", 1, 270)
    )
    apart = days + gap + chart.pick(0, 0, 1, -1)
    number = chart.pick(3, 2, 4, 6)
    begun = number * apart + chart.pick(0, 10, 100)
    for one in range(number):
        drawn = {
            "status": "completed",
            "whenHandedOver": chart.when(begun - one * apart, ("instant", "day")),
            "daysSupply": {"value": days, "unit": "d", "system": UCUM, "code": "d"},
        }
        chart.add(
            "MedicationDispense", medicationCodeableConcept=history.concept_of(chart, ingredient), **drawn
        )
    ck_at(chart, chart.pick(20, 90), 400, 401, 200)


def in_remission(chart: Chart) -> None:
    """T8, T9: about 90 or 180 days of treatment, and a CK at the edges of the last 180 days."""
    begun = chart.pick(200, 180, 179, 181, 90, 89, 91, 400)
    given(
        chart, chart.pick("prednisone", "methotrexate"), begun, chart.pick(None, 0, begun - 180, begun - 90)
    )
    if not chart.rarely(4):
        ck_at(chart, chart.pick(100, 180, 181, 179, begun, begun + 1), 400, 401, 399, 200)


def flare(chart: Chart) -> None:
    """R2: a peak, an improvement, and two rising results about 60 days apart."""
    ck_at(chart, chart.pick(400, 300), 1000, 402, 400, 800, 401)
    ck_at(chart, chart.pick(200, 150), 400, 401, 200, 201, 500, 100)
    latest = chart.pick(10, 59, 60, 61)
    earlier = latest + chart.pick(30, 60, 61, 59, 0.2)
    ck_at(chart, earlier, 301, 300, 600, 302, 750, 299)
    ck_at(chart, latest, 301, 300, 600, 302, 750, 299)


def heart(chart: Chart) -> None:
    """C1 to C4 and M1: a cardiac Condition a year before onset, and what may explain it."""
    onset = chart.pick(700, 400, 1000)
    time = chart.when(onset, DAYS)
    chart.add("Condition", code=chart.code("conditions", "core"), onsetDateTime=time)
    role = chart.pick("cardiac-a heart-failure", "cardiac-a", "cardiac-c", "cardiac-a heart-failure")
    begun = chart.when(onset + chart.pick(365, 366, 364, -100, 2000), DAYS)
    drawn = chart.add("Condition", code=chart.code("conditions", role), onsetDateTime=begun)
    if chart.rarely(5):
        drawn["verificationStatus"] = history.coded(history.VERIFICATION, "provisional")
    if chart.rarely(3):
        cause = chart.add("Condition", code=chart.code("conditions", "heart-failure-cause"))
        cause["verificationStatus"] = history.coded(
            history.VERIFICATION, chart.pick("confirmed", "unconfirmed")
        )
    if chart.rarely(3):
        value = {"value": chart.pick(49.9, 50, 45, 60), "unit": "%", "system": UCUM, "code": "%"}
        labs.observation(
            chart, "lvef", chart.when(onset + chart.pick(365, 366, 364, -200), DAYS), valueQuantity=value
        )
    for _ in chart.how_many(0, 1, 2):
        other_labs.cardiac_test(chart)


FOLLOW_UP_AGES = (10, 14, 28, 29, 42, 43, 56, 76, 77, 90, 91, 166, 167, 180, 181, 351, 365, 366)


def looked_after(chart: Chart) -> None:
    """V1 to V4: everything that the follow-up table asks for, at the edges of its intervals."""
    plain = {"unit": "U/L", "system": UCUM, "code": "U/L"}
    age = chart.pick(*FOLLOW_UP_AGES)
    for role, value in (("ck", 150), ("ast", 60), ("alt", 30)):
        if not chart.rarely(9):
            own = age if not chart.rarely(5) else chart.pick(*FOLLOW_UP_AGES)
            labs.observation(chart, role, chart.when(own, DAYS), valueQuantity={"value": value, **plain})
    for role in ("lvef", "troponin-i", "fvc"):
        if not chart.rarely(4):
            time = chart.when(chart.pick(*FOLLOW_UP_AGES), DAYS)
            limits = [{"high": {"value": 14, "unit": "ng/L"}}] if role == "troponin-i" else None
            value = {"lvef": 60, "troponin-i": 10, "fvc": 3}[role]
            unit = {"lvef": "%", "troponin-i": "ng/L", "fvc": "L"}[role]
            quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
            labs.observation(chart, role, time, valueQuantity=quantity, referenceRange=limits)
    if not chart.rarely(3):
        chart.add(
            "DiagnosticReport",
            status="final",
            code={"coding": [{"system": LOINC, "code": "11524-6"}]},
            effectiveDateTime=chart.when(chart.pick(*FOLLOW_UP_AGES), DAYS),
        )
    for _ in chart.how_many(1, 0, 2):
        history.order(chart)


def plain(chart: Chart, role: str, age: float, value: float, unit: str = "U/L", **content) -> None:
    """A result that nobody can misread."""
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    labs.observation(chart, role, chart.when(age, DAYS), valueQuantity=quantity, **content)


def all_known(chart: Chart) -> None:
    """Each of the four predictors known, mostly absent: the bands and their edges."""
    age = chart.pick(20, 100, 364, 366)
    for role, value in (("ast", chart.pick(60, 60, 174)), ("alt", 100)):
        plain(chart, role, age, value, specimen={"reference": "Specimen/k"})
    titre = chart.pick("1:80", "1:80", "Negative", "1:640")
    labs.observation(chart, "ana", chart.when(200, DAYS), valueString=titre)
    limits = [{"high": {"value": 14, "unit": "ng/L"}}]
    plain(chart, "troponin-i", chart.pick(90, 364), chart.pick(10, 10, 15), "ng/L", referenceRange=limits)
    given(chart, "prednisone", 200, chart.pick(10, None))
    ck_at(chart, age + 20, 600)
    ck_at(chart, 5, 150, 150, 401)


def serology(chart: Chart) -> None:
    """E8 and the statin row: both antibodies answered, and a statin beside anti-HMGCR."""
    srp, hmgcr = chart.pick(("Negative", "Negative"), ("Negative", "Positive"), ("Positive", "Positive"))
    labs.observation(chart, "anti-srp", chart.when(300, DAYS), valueString=srp)
    labs.observation(chart, "anti-hmgcr", chart.when(300, DAYS), valueString=hmgcr)
    kind = chart.pick("MedicationRequest", "MedicationStatement", "MedicationDispense")
    drawn = history.treatment(chart, kind, "statin", chart.pick(2000, 400, 30))
    if chart.rarely(3):
        for name in ("authoredOn", "effectivePeriod", "whenHandedOver"):
            drawn.pop(name, None)


COURSES = (
    two_agents,
    year_of_steroid,
    infusions,
    in_remission,
    flare,
    looked_after,
    heart,
    refills,
    serology,
)


def course(chart: Chart) -> None:
    """One of the courses."""
    chart.pick(*COURSES)(chart)
