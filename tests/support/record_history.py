"""Drawn history: the patient, diagnoses, medicines, visits, orders, procedures and reports."""

from .record_draw import BASE, LOINC, SNOMED, UCUM, Chart, codes_of, statins

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
REASON = "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason"
OTHER_CONDITIONS = (
    "cardiac-a",
    "cardiac-a heart-failure",
    "cardiac-c",
    "heart-failure-cause",
    "ild",
    "dysphagia",
    "malignancy",
    "dermatomyositis",
    "liver-disease",
    "broad",
    "broad-antibody",
    "broad-hmgcr",
    "core",
)


def patient(chart: Chart) -> dict:
    """Mostly an adult woman; sometimes a man, a minor, dead, or with an unknown birth date."""
    year = chart.as_of.year
    born = chart.pick(
        *("1970-06-15",) * 24, "1950", f"{year - 18}-03-01", f"{year - 18}-03-02", f"{year - 18}", None
    )
    if chart.rarely(40):
        born = f"{year + 2}-01-01"
    resource = {"resourceType": "Patient", "id": "p1"}
    resource["gender"] = chart.pick("female", "female", "male", "male", "unknown")
    if born:
        resource["birthDate"] = born
    if chart.rarely(30):
        death = chart.pick(
            {"deceasedBoolean": True}, {"deceasedDateTime": chart.edge(1, -1)}, {"deceasedBoolean": False}
        )
        resource.update(death)
    return resource


def condition(chart: Chart, *roles: str, plain: bool = False) -> dict:
    """A Condition with any status, verification and shape of onset."""
    odd = not plain
    clinical = chart.pick(
        *("active",) * 6, None, "remission", "relapse", "recurrence", "resolved", "inactive"
    )
    if not odd:
        clinical = chart.pick("active", "active", None, "relapse", "remission")
    verification = chart.pick(*("confirmed",) * 4, None)
    if odd and chart.rarely(4):
        verification = chart.pick("unconfirmed", "provisional", "differential", "refuted", "entered-in-error")
    timing = onset(chart)
    if odd and chart.rarely(8):
        timing["abatementDateTime"] = chart.edge(100, -30, 1)
    return chart.add(
        "Condition",
        code=chart.code("conditions", *roles),
        clinicalStatus=coded(CLINICAL, clinical),
        verificationStatus=coded(VERIFICATION, verification),
        **timing,
    )


def coded(system: str, code: str | None) -> dict | None:
    return {"coding": [{"system": system, "code": code}]} if code else None


def onset(chart: Chart) -> dict:
    shape = chart.pick("onset", "onset", "both", "recorded", "period", "none", "text")
    if shape == "none":
        return {}
    early = chart.edge(730, 1095, 1460, 365, 180)
    if shape == "onset":
        return {"onsetDateTime": early}
    if shape == "recorded":
        return {"recordedDate": chart.edge(180, 730, 30, -2)}
    if shape == "period":
        return {"onsetPeriod": {"start": early}}
    if shape == "text":
        return {"onsetString": "years ago", "recordedDate": early}
    return {"onsetDateTime": early, "recordedDate": chart.edge(180, 90, -2)}


def concept_of(chart: Chart, ingredient: str) -> dict:
    ingredient = chart.pick(*statins()) if ingredient == "statin" else ingredient
    system, code = chart.pick(*codes_of("medications")[ingredient])
    return {"coding": [{"system": system, "code": code}]}


def medicine(chart: Chart, ingredient: str) -> dict:
    """medicationCodeableConcept, or a reference to a contained or separate Medication."""
    concept, shape = concept_of(chart, ingredient), chart.pick(*range(24))
    if shape == 1:
        contained = {"resourceType": "Medication", "id": "m", "code": concept}
        return {"contained": [contained], "medicationReference": {"reference": "#m"}}
    if shape == 2:
        held = chart.add("Medication", code=concept)
        return {"medicationReference": {"reference": f"Medication/{held['id']}"}}
    if shape == 3:
        topical = {"coding": [{"system": SNOMED, "code": "6064005"}]}
        form = {"form": topical} if chart.rarely(2) else {}
        held = chart.add(
            "Medication", ingredient=[{"itemCodeableConcept": concept}], code={"text": "product"}, **form
        )
        return {"medicationReference": {"reference": f"Medication/{held['id']}"}}
    if shape == 4 and chart.rarely(3):
        other = concept_of(chart, "methotrexate")["coding"]
        return {"medicationCodeableConcept": {"coding": [*concept["coding"], *other]}}
    return {"medicationCodeableConcept": concept}


STEROIDS = ("prednisone", "prednisolone", "methylprednisolone", "hydrocortisone")
AGENTS = (
    "methotrexate",
    "azathioprine",
    "mycophenolate",
    "rituximab",
    "ivig",
    "cyclophosphamide",
    "tacrolimus",
)
RARE = (
    "tofacitinib",
    "efgartigimod",
    "zilucoplan",
    "infliximab",
    "belimumab",
    "statin",
    "checkpoint-inhibitor",
)
STARTS = (800, 730, 720, 545, 455, 365, 364, 270, 200, 180, 179, 90, 89, 60, 30)
LENGTHS = (None, None, 30, 89, 90, 91, 180, 365, 400)
ROUTES = ("26643006", "47625008", "34206005", "78421000")


def regimen(chart: Chart) -> None:
    """A run of one medicine: one long resource, or several with gaps."""
    ingredient = chart.pick(*STEROIDS[:1] * 6, *STEROIDS, *AGENTS, *AGENTS, *RARE)
    kind = chart.pick(
        *("MedicationRequest",) * 5, "MedicationStatement", "MedicationDispense", "MedicationAdministration"
    )
    start = chart.pick(*STARTS) + chart.pick(0, 0, 0, 1, -1)
    gap = chart.pick(30, 45, 46, 44, 28, 14, 120, 121, 270)
    for number in chart.how_many(1, 1, 1, 2, 3, 4):
        begun = start - number * gap
        if begun > -3:
            treatment(chart, kind, ingredient, begun)


def treatment(chart: Chart, kind: str, ingredient: str, begun: float) -> dict:
    fill = {
        "MedicationRequest": request,
        "MedicationStatement": statement,
        "MedicationDispense": dispense,
        "MedicationAdministration": administration,
    }[kind]
    drawn = chart.add(kind, **medicine(chart, ingredient), **fill(chart, ingredient, begun))
    if drawn.get("status") == "stopped" and chart.rarely(3):
        code = chart.pick("sintol", "salg", "altchoice")
        reason = {"coding": [{"system": REASON, "code": code}]}
        drawn["statusReason"] = reason if kind == "MedicationRequest" else [reason]
    return drawn


DAY = ("day", "day", "instant")


def request(chart: Chart, ingredient: str, begun: float) -> dict:
    length = chart.pick(*LENGTHS)
    drawn = {
        "status": chart.pick(*("active",) * 6, "completed", "stopped", "on-hold"),
        "intent": chart.pick(*("order",) * 8, "instance-order", "original-order"),
        "authoredOn": chart.when(begun, DAY),
    }
    if chart.rarely(25):
        drawn["status"] = chart.pick("cancelled", "draft", "unknown", "entered-in-error")
    if chart.rarely(25):
        drawn["intent"] = chart.pick("plan", "proposal", "option")
    if chart.rarely(40):
        drawn["doNotPerform"] = True
    end = None if length is None else max(begun - length, -20)
    how = chart.pick("bounds", "validity", "supply", "bounds", "two")
    if how == "two" and length:
        middle = begun - length / 2
        held = [(begun, middle), (middle - 1, end)]
        periods = [drawn_bounds(chart, low, high) for low, high in held]
        if chart.rarely(4):
            chart.pick(*periods).pop(chart.pick("start", "end"))  # a period that is open on one side
        drawn["dosageInstruction"] = [dosage(chart, ingredient, period, alone=False) for period in periods]
        return drawn
    bounds = drawn_bounds(chart, begun, end) if how == "bounds" and length else None
    if how == "validity" and length:
        drawn["dispenseRequest"] = {"validityPeriod": drawn_bounds(chart, begun, end)}
    if how == "supply" and length:
        days = {"value": 30, "unit": "days", "system": UCUM, "code": "d"}
        drawn["dispenseRequest"] = {
            "expectedSupplyDuration": days,
            "numberOfRepeatsAllowed": chart.pick(2, 0, 5, 11),
        }
    alone = not chart.rarely(12)
    drawn["dosageInstruction"] = [dosage(chart, ingredient, bounds, alone)]
    if not alone:
        drawn["dosageInstruction"].append(dosage(chart, ingredient, None, alone))
    if chart.rarely(8):
        del drawn["dosageInstruction"]
    return drawn


def drawn_bounds(chart: Chart, begun: float, end: float | None) -> dict:
    period = {"start": chart.when(begun, DAY)}
    if end is not None:
        period["end"] = chart.when(end, DAY)
    return period


def dosage(chart: Chart, ingredient: str, bounds: dict | None, alone: bool = True) -> dict:
    """A dosage instruction; most say how much and how often. Only one that is alone has an excluded route."""
    repeat: dict = {"frequency": chart.pick(1, 1, 1, 2), "period": chart.pick(1, 1, 1, 2, 24)}
    repeat["periodUnit"] = "h" if repeat["period"] == 24 else chart.pick("d", "d", "d", "wk")
    value = chart.pick(10, 9.9, 20, 5, 10.1, 8, 40, 0.01)
    unit = "g" if value == 0.01 else "mg"
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    drawn: dict = {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity}]}
    odd = chart.pick(*range(14))
    if odd == 1:
        drawn = {"text": "as directed", "timing": {"repeat": {}}}
    if odd == 2:
        drawn["asNeededBoolean"] = True
    if odd == 3:
        drawn["doseAndRate"] = [{"doseRange": {"low": quantity, "high": quantity}}]
    if odd == 4:
        quantity.update(unit="tablet", code="{tbl}")
    if odd == 5:
        del drawn["timing"]["repeat"]["frequency"]
    if bounds:
        drawn["timing"]["repeat"]["boundsPeriod"] = bounds
    if ingredient not in STEROIDS and chart.rarely(3):
        drawn["route"] = {"coding": [{"system": SNOMED, "code": chart.pick(*ROUTES)}]}
    if alone and chart.rarely(25):
        drawn["route"] = {"coding": [{"system": SNOMED, "code": chart.pick("6064005", "447694001")}]}
    return drawn


def statement(chart: Chart, ingredient: str, begun: float) -> dict:
    length = chart.pick(*LENGTHS)
    status = chart.pick(*("active",) * 4, "completed", "stopped", "on-hold")
    if chart.rarely(15):
        status = chart.pick("intended", "not-taken", "entered-in-error", "unknown")
    timing: dict = {"effectivePeriod": {"start": chart.when(begun, DAY)}}
    if length is not None:
        timing["effectivePeriod"]["end"] = chart.when(max(begun - length, -1), DAY)
    if chart.rarely(8):
        timing = {"effectiveDateTime": chart.when(begun, DAY)}
    return {"status": status, "dosage": [dosage(chart, ingredient, None)], **timing}


def dispense(chart: Chart, ingredient: str, begun: float) -> dict:
    supply = chart.pick(30, 30, 90, 1, None)
    days = {"value": supply, "unit": "d", "system": UCUM, "code": "d"} if supply else None
    handed = chart.pick("whenHandedOver", "whenHandedOver", "whenPrepared")
    drawn = {
        "status": chart.pick("completed", "completed", "completed", "in-progress"),
        handed: chart.when(begun, DAY),
        "dosageInstruction": [dosage(chart, ingredient, None)],
    }
    return {**drawn, "daysSupply": days} if days else drawn


def administration(chart: Chart, ingredient: str, begun: float) -> dict:
    route = chart.pick(*ROUTES[1:], None)
    given: dict = {"dose": {"value": 1000, "unit": "mg"}}
    if route:
        given["route"] = {"coding": [{"system": SNOMED, "code": route}]}
    return {
        "status": chart.pick("completed", "completed", "in-progress", "stopped", "not-done"),
        "effectiveDateTime": chart.when(begun, DAY),
        "dosage": given,
    }


SERVICE = "http://terminology.hl7.org/CodeSystem/service-type"


def specialty(chart: Chart) -> dict:
    system, code = chart.pick(
        (SNOMED, "394810000"), (SERVICE, "177"), (SNOMED, "394579002"), (SERVICE, "999")
    )
    return {"coding": [{"system": system, "code": code}]}


def encounter(chart: Chart) -> None:
    age = chart.pick(30, 42, 90, 180, 166, 0.5, 1, 1.00002, 0, 28, 76) + chart.pick(0, 0, 1, -1)
    going_on = chart.rarely(5)
    period = {"start": chart.when(max(age, 0), ("instant", "day"))}
    if not going_on and chart.rarely(2):
        period["end"] = chart.when(max(age - 1, -0.5), ("instant", "day"))
    ambulatory = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    status = chart.pick("finished", "finished", "finished", "cancelled", "planned")
    drawn = {
        "status": "in-progress" if going_on else status,
        "class": {"system": ambulatory, "code": chart.pick("AMB", "AMB", "VR", "IMP", "EMER")},
        "period": period,
    }
    if chart.rarely(2):
        drawn["serviceType"] = specialty(chart)
    if chart.rarely(4):
        drawn["type"] = [specialty(chart)]
    if chart.rarely(8):
        role = {"resourceType": "PractitionerRole", "id": "r", "specialty": [specialty(chart)]}
        drawn |= {"contained": [role], "participant": [{"individual": {"reference": "#r"}}]}
    chart.add("Encounter", **drawn)


def appointment(chart: Chart) -> None:
    age = chart.pick(-10, -42, -90, -180, 3) + chart.pick(0, 0, 1, -1)
    drawn: dict = {
        "status": chart.pick("booked", "booked", "booked", "cancelled", "proposed"),
        "start": chart.when(age, ("instant", "second-after", "second-before")),
        "participant": [{"actor": {"reference": chart.patient_reference}}],
    }
    if chart.rarely(2):
        drawn["created"] = chart.when(chart.pick(20, 1, -1), ("day", "instant"))
    for name in ("serviceType", "specialty"):
        if chart.rarely(3):
            drawn[name] = [specialty(chart)]
    if chart.rarely(4):
        drawn["appointmentType"] = specialty(chart)
    if chart.rarely(20):
        drawn["participant"] = [{"actor": {"reference": "Patient/p2"}}]
    chart.add("Appointment", **drawn)


def order(chart: Chart) -> None:
    system, code = chart.pick(
        (LOINC, "24325-3"),
        (LOINC, "2157-6"),
        (LOINC, "1920-8"),
        (LOINC, "89579-7"),
        (SNOMED, "29303009"),
        (SNOMED, "40701008"),
        (LOINC, "19868-9"),
        (SNOMED, "16335031000119103"),
    )
    drawn = {
        "status": chart.pick("active", "active", "active", "revoked"),
        "intent": chart.pick("order", "order", "plan", "proposal", "option"),
        "code": {"coding": [{"system": system, "code": code}]},
        "authoredOn": chart.when(
            chart.pick(5, 28, 56, 90, 180, 365, -2) + chart.pick(0, 0, 1, -1), ("instant", "day")
        ),
    }
    if chart.rarely(15):
        drawn["doNotPerform"] = True
    chart.add("ServiceRequest", **drawn)


def procedure(chart: Chart) -> None:
    code = chart.code("procedures", "ecg", "echo", "chest-ct")
    time = chart.edge(20, 180, 365, 166, 351)
    status = chart.pick("completed", "completed", "completed", "in-progress")
    if chart.rarely(3):
        chart.add("Procedure", status=status, code=code, performedPeriod={"end": time})
    else:
        chart.add("Procedure", status=status, code=code, performedDateTime=time)


def diagnostic_report(chart: Chart) -> None:
    code = chart.pick("11524-6", "42148-7", "24627-2", "19868-9", "34534-8")
    chart.add(
        "DiagnosticReport",
        status=chart.pick("final", "final", "appended", "registered"),
        code={"coding": [{"system": LOINC, "code": code}]},
        effectiveDateTime=chart.edge(20, 180, 365, 166, 351),
    )


def identity(chart: Chart) -> str:
    """How the patient is referred to: relative, with a version, absolute or by urn."""
    shape = chart.pick(*("Patient/p1",) * 6, "Patient/p1/_history/3", "absolute", "urn")
    if shape == "absolute":
        return f"{BASE}/Patient/p1"
    return "urn:uuid:5f1c8f0e-0000-4000-8000-000000000001" if shape == "urn" else shape
