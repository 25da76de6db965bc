"""The endpoints as OpenAPI 3.1, for the fuzzer alone: the service serves none. Written from CDS Hooks, not from our code."""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}


def thing(needed: Schema, optional: Schema | None = None) -> Schema:
    """An object with these members and no others; what else a caller may send is tried elsewhere."""
    members = needed | (optional or {})
    return {"type": "object", "required": list(needed), "properties": members, "additionalProperties": False}


def many(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


OUTCOME = thing(
    {
        "resourceType": {"const": "OperationOutcome"},
        "issue": many(thing({"severity": {"const": "error"}, "code": TEXT, "diagnostics": TEXT})),
    }
)
CODING = thing({"system": TEXT, "code": TEXT}, {"display": TEXT})
ACTION = thing(
    {
        "type": {"const": "create"},
        "description": TEXT,
        "resource": {"type": "object", "required": ["resourceType"]},
    }
)
SUGGESTION = thing(
    {"label": TEXT, "uuid": TEXT, "actions": many(ACTION)}, {"isRecommended": {"type": "boolean"}}
)
CARD = thing(
    {
        "uuid": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "summary": {"type": "string", "minLength": 1, "maxLength": 139},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": thing({"label": TEXT}, {"url": TEXT, "icon": TEXT, "topic": CODING}),
        "detail": TEXT,
    },
    {
        "overrideReasons": many(CODING),
        "suggestions": many(SUGGESTION),
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "links": many(thing({"label": TEXT, "url": TEXT, "type": {"const": "absolute"}})),
    },
)
SERVICE = thing(
    {"hook": TEXT, "id": TEXT, "description": TEXT},
    {"title": TEXT, "usageRequirements": TEXT, "prefetch": {"type": "object", "additionalProperties": TEXT}},
)
RESOURCE = thing({"resourceType": {"enum": ["Patient", "Condition", "Observation", "Bundle"]}}, {"id": TEXT})
BUNDLE = thing(
    {"resourceType": {"const": "Bundle"}, "type": {"const": "searchset"}},
    {
        "total": {"type": "integer"},
        "entry": {"type": "array", "items": thing({"resource": RESOURCE}, {"fullUrl": TEXT})},
        "link": {"type": "array", "items": thing({"relation": {"enum": ["self", "next"]}, "url": TEXT})},
    },
)
CALL = thing(
    {
        "hook": {"enum": ["patient-view"]},
        "hookInstance": {"type": "string", "format": "uuid"},
        "context": thing(
            {
                "userId": {"type": "string", "pattern": "^(Practitioner|Patient)/[A-Za-z0-9]{1,8}$"},
                "patientId": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
            },
            {"encounterId": TEXT},
        ),
    },
    {
        "fhirServer": {"enum": ["https://ehr.example/fhir", "https://other.example/fhir"]},
        "fhirAuthorization": thing(
            {"access_token": TEXT, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer"}},
            {"scope": TEXT, "subject": TEXT, "patient": TEXT},
        ),
        "prefetch": {
            "type": "object",
            "properties": {
                "patient": RESOURCE,
                "conditions": BUNDLE,
                "antibodies": BUNDLE,
                "enzymes": BUNDLE,
            },
            "additionalProperties": {"anyOf": [BUNDLE, {"type": "null"}]},
        },
        "extension": {"type": "object"},
    },
)
ITEM = thing(
    {
        "card": {"type": "string", "format": "uuid"},
        "outcome": {"enum": ["accepted", "overridden"]},
        "outcomeTimestamp": {"type": "string", "format": "date-time"},
    },
    {
        "acceptedSuggestions": {
            "type": "array",
            "items": thing({"id": {"type": "string", "format": "uuid"}}),
        },
        "overrideReason": thing({}, {"reason": thing({"code": TEXT}, {"system": TEXT}), "userComment": TEXT}),
    },
)


def _answers(good: Schema, *errors: int) -> Schema:
    def of(content: Schema) -> Schema:
        return {"description": "x", "content": {"application/json": {"schema": content}}}

    return {"200": of(good)} | {str(status): of(OUTCOME) for status in errors}


def _page() -> Schema:
    return {"200": {"description": "x", "content": {"text/html; charset=utf-8": {"schema": TEXT}}}}


def _posted(content: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": content}}}


_ASKED = thing({"id": TEXT, "section": TEXT, "topic": TEXT, "answer": TEXT, "known": {"type": "boolean"}})
_LIST = thing({"title": TEXT, "source": TEXT, "read": TEXT, "items": many(_ASKED)})
TRANSPARENCY = thing(
    {
        "schema": {"const": "imnm-cds-transparency/1"},
        "title": TEXT,
        "model": {"type": "object", "additionalProperties": TEXT},
        "hti_1": _LIST,
        "tripod_ai": _LIST,
    }
)
NAME = {"name": "service", "in": "path", "required": True, "schema": {"enum": ["imnm-recurrence"]}}
OPENAPI: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "imnm-cds", "version": "1"},
    "paths": {
        "/cds-services": {"get": {"responses": _answers(thing({"services": many(SERVICE, 0)}))}},
        "/cds-services/{service}": {
            "post": {
                "parameters": [NAME],
                "requestBody": _posted(CALL),
                "responses": _answers(thing({"cards": many(CARD, 0)}), 400, 403, 404, 405, 412, 413, 415),
            }
        },
        "/cds-services/{service}/feedback": {
            "post": {
                "parameters": [NAME],
                "requestBody": _posted(thing({"feedback": many(ITEM)})),
                "responses": _answers({"type": "object"}, 400, 403, 404, 405, 413, 415),
            }
        },
        "/health": {"get": {"responses": _answers(thing({"status": {"const": "ok"}}))}},
        "/model": {"get": {"responses": _page()}},
        "/model.json": {"get": {"responses": _answers(TRANSPARENCY)}},
        "/ready": {"get": {"responses": _answers(thing({"status": {"const": "ready"}}))}},
    },
}
