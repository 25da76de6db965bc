"""Strings that stand in every field of a patient's record and in every secret, and must turn up nowhere else (H1)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support import charts

MARK = "zqcanary"  # lower case: also inside statuses, codes and file names
PATIENT_ID = f"{MARK}-patient-id"
TOKEN = f"{MARK}-token"
JWT = f"{MARK}.jwt.signature"


class Planter:
    """Gives each place its own canary, so that a leak says where it came from."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def __call__(self, place: str) -> str:
        canary = f"{MARK}-{place}"
        self.planted.append(canary)
        return canary


def record(plant: Planter) -> list[dict]:
    """An IMNM chart with a canary in every field that holds text."""
    people = {"display": plant("performer"), "reference": f"Practitioner/{plant('practitioner')}"}
    note = [{"text": plant("note"), "authorString": plant("author")}]
    person = charts.patient(
        PATIENT_ID,
        name=[{"family": plant("family"), "given": [plant("given")], "text": plant("name-text")}],
        identifier=[{"system": "urn:mrn", "value": plant("mrn")}],
        telecom=[{"system": "phone", "value": plant("phone")}],
        address=[{"line": [plant("street")], "city": plant("city"), "postalCode": plant("postcode")}],
        contact=[{"name": {"text": plant("contact")}}],
        photo=[{"title": plant("photo")}],
        text={"status": "generated", "div": f"<div>{plant('narrative')}</div>"},
        managingOrganization={"display": plant("organisation")},
    )
    chart = [person, *charts.imnm_chart(PATIENT_ID)[1:]]
    for resource in chart[1:]:
        kind = resource["resourceType"].lower()
        resource["note"] = note
        resource["identifier"] = [{"value": plant(f"{kind}-identifier")}]
        resource["text"] = {"status": "generated", "div": f"<div>{plant(f'{kind}-narrative')}</div>"}
        concept = resource.get("code") or resource["medicationCodeableConcept"]
        concept["text"] = plant(f"{kind}-text")
        concept["coding"][0]["display"] = plant(f"{kind}-display")
        resource["performer" if kind == "observation" else "recorder"] = (
            [people] if kind == "observation" else people
        )
    chart += _odd(plant)
    return chart


def _odd(plant: Planter) -> list[dict]:
    """Resources that are refused, each for a reason that is text of the record."""
    enzyme = charts.enzyme("2157-6", "odd1", 99, 5, PATIENT_ID)
    unit = enzyme["valueQuantity"] | {"unit": plant("unit"), "code": plant("unit-code")}
    return [
        enzyme | {"id": plant("id"), "status": plant("status")},
        enzyme | {"id": "odd2", "valueQuantity": unit},
        enzyme | {"id": "odd3", "effectiveDateTime": plant("date")},
        enzyme | {"id": "odd4", "subject": {"reference": f"Patient/{plant('other-patient')}"}},
        enzyme | {"id": "odd5", "valueQuantity": {"value": plant("number")}},
        enzyme
        | {"id": "odd6", "modifierExtension": [{"url": plant("extension"), "valueString": plant("secret")}]},
        charts.antibody(plant("antibody-value"), "odd7", PATIENT_ID),
        charts.prescription("odd8", PATIENT_ID, status=plant("medication-status")),
        charts.condition(number="odd9", patient_id=PATIENT_ID, onsetDateTime=plant("onset")),
    ]


def call(plant: Planter, base: str, **members: object) -> dict:
    """A hook call with a canary in every member that a client fills freely."""
    body = {
        "hook": "patient-view",
        "hookInstance": plant("instance"),
        "fhirServer": base,
        "fhirAuthorization": {
            "access_token": TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": plant("scope"),
            "subject": plant("subject"),
        },
        "context": {
            "userId": f"Practitioner/{plant('user')}",
            "patientId": PATIENT_ID,
            "encounterId": plant("encounter"),
        },
        "extension": {"com.example": plant("request-extension")},
        plant("member"): plant("member-value"),
    } | members
    return {name: value for name, value in body.items() if value is not None}


@dataclass
class Sinks:
    """Everything the service writes besides cards: what came out of each sink."""

    written: dict[str, list[str]] = field(default_factory=dict)

    def add(self, sink: str, text: object) -> None:
        self.written.setdefault(sink, []).append(text if isinstance(text, str) else json.dumps(text))

    def leaks(self) -> Iterator[str]:
        """Yield each sink in which a canary turned up, with the canary's surroundings."""
        for sink, texts in self.written.items():
            for text in texts:
                place = text.lower().find(MARK)
                if place >= 0:
                    yield f"{sink}: {text[max(place - 20, 0) : place + 60]}"
