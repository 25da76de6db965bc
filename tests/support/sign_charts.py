"""Charts with what says whether somebody has the disease, and little else: the edges of none, possible and not known."""

from random import Random

from . import record_damage as damage
from . import record_doubts as doubts
from . import record_history as history
from . import record_labs as labs
from .imnm_charts import Drawn, day
from .record_draw import AS_OF, UCUM
from .records import SITE_MAP, Record, bundle_of

CONDITIONS = ("broad", "broad", "core", "broad-antibody", "broad-hmgcr", "dermatomyositis", "ild")
ANSWERS = ("Positive", "Negative", "Negative", "weak positive", "see comment", None)
CKS = (999, 1000, 1001, 1001, 5000, 150)
FAILED = ("conditions", "antibodies", "enzymes", "procedures", "reports", "encounters")


def sign_record(random: Random) -> Record:
    """One chart with a few signs, each of them now and then damaged; some of the sources failed."""
    chart = Drawn(random, AS_OF[0])
    for _ in chart.how_many(0, 1, 1, 1, 2):
        chart.pick(coded, coded, coded, doubts.diagnosis_in_words)(chart)
    for _ in chart.how_many(0, 1, 2, 2, 3):
        chart.pick(antibody, antibody, antibody, antibody, doubts.antibody_in_words)(chart)
    for _ in chart.how_many(0, 1, 1, 2):
        ck(chart)
    if chart.rarely(3):
        biopsy(chart)
    for _ in chart.how_many(0, 0, 1, 1, 2):
        spoiled(chart)
    bundle = bundle_of(chart)
    if chart.rarely(8):
        person = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        person["deceasedBoolean"] = True
    return Record(
        bundle=bundle,
        as_of=chart.as_of_text,
        site_map=SITE_MAP,
        failed=tuple({chart.pick(*FAILED) for _ in chart.how_many(0, 0, 0, 1, 2)}),
    )


def coded(chart: Drawn) -> None:
    history.condition(chart, chart.pick(*CONDITIONS), plain=not chart.rarely(3))


def antibody(chart: Drawn) -> None:
    role, answer = chart.pick("anti-srp", "anti-hmgcr"), chart.pick(*ANSWERS)
    value = {"valueString": answer} if answer else {}
    labs.observation(chart, role, day(chart, chart.pick(30, 400)), **value)


def ck(chart: Drawn) -> None:
    amount = {"value": chart.pick(*CKS), "unit": "U/L", "system": UCUM, "code": "U/L"}
    labs.observation(chart, "ck", day(chart, chart.pick(10, 364, 366, 1000)), valueQuantity=amount)


def biopsy(chart: Drawn) -> None:
    system, code, _ = next(row for row in SITE_MAP if row[2] == "necrotizing-biopsy")
    held = {"code": {"coding": [{"system": system, "code": code}]}}
    if chart.often(0.5):
        chart.add("Procedure", status="completed", performedDateTime=day(chart, 300), **held)
    else:
        chart.add("Condition", onsetDateTime=day(chart, 300), **held)


def spoiled(chart: Drawn) -> None:
    """One of them made unreadable in any way that applies to it."""
    held = [
        one for one in chart.resources if one["resourceType"] in ("Condition", "Observation", "Procedure")
    ]
    if held:
        chart.pick(*doubts.EVERYWHERE, damage.code_of_a_wrong_shape)(chart.pick(*held))
