"""The embedded demonstration EHR: a read-only FHIR R4 server over the sample patients, kept in memory.

Read, search by GET and `POST _search`, pages with an opaque `next`, CapabilityStatement, CORS for any origin, errors
as OperationOutcome. Like HAPI it refuses unknown search parameters (400), answers an unknown page with 410 and takes
any `Accept`.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_service.demo.search import PARAMETERS, Resource, SearchError, select

BASE_PATH = "/fhir"
PAGE_SIZE = 50
_LARGEST_PAGE = 200
_LONGEST_COUNT = 9  # digits of `_count`: Python reads 4,300 at most
_ISSUE_TYPES = {400: "invalid", 404: "not-found", 405: "not-supported", 410: "not-found"}

_Answer = Callable[[Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Served:
    """One FHIR request that the EHR answered. `target` is what was asked for, without the base address."""

    method: str
    target: str
    status: int
    matches: int | None  # resources sent; None for what is no search


class _NotServed(Exception):  # noqa: N818 - not an error of ours
    """The request cannot be done: ends in an OperationOutcome."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def create_ehr(
    charts: Iterable[Mapping[str, Any]], tell: Callable[[Served], None] = lambda _: None
) -> Starlette:
    """The EHR as an ASGI application; `charts` are Bundles, `tell` hears of every request that was answered."""
    ehr = _Ehr(charts)
    routes = {
        BASE_PATH: ehr.page,
        f"{BASE_PATH}/metadata": ehr.metadata,
        f"{BASE_PATH}/{{type}}": ehr.search,
        f"{BASE_PATH}/{{type}}/{{id}}": ehr.read,
    }
    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        allow_private_network=True,
    )
    return Starlette(
        routes=[
            Route(f"{BASE_PATH}/{{type}}/_search", _endpoint(ehr.search_by_post, tell), methods=["POST"]),
            *(Route(path, _endpoint(answer, tell)) for path, answer in routes.items()),
        ],
        middleware=[cors],
        exception_handlers={HTTPException: _not_there},
    )


def _endpoint(answer: _Answer, tell: Callable[[Served], None]) -> Callable[[Request], Awaitable[Response]]:
    async def served(request: Request) -> Response:
        try:
            status, body = 200, await answer(request)
        except _NotServed as refusal:
            status, body = refusal.status, _outcome(refusal.status, str(refusal))
        target, by_post = request.url.path.removeprefix(BASE_PATH + "/"), request.method == "POST"
        query = (await request.body()).decode(errors="replace") if by_post else request.url.query
        matches = len(body.get("entry", ())) if body["resourceType"] == "Bundle" else None
        tell(Served(request.method, f"{target}?{query}" if query else target, status, matches))
        return _fhir(status, body)

    return served


class _Ehr:
    """The resources by type and id, and the interactions."""

    def __init__(self, charts: Iterable[Mapping[str, Any]]) -> None:
        self._resources: dict[str, dict[str, Resource]] = {resource_type: {} for resource_type in PARAMETERS}
        for chart in charts:
            for entry in chart["entry"]:
                resource = entry["resource"]
                self._resources[resource["resourceType"]][resource["id"]] = resource

    async def read(self, request: Request) -> dict[str, Any]:
        resource = self._of(request.path_params["type"]).get(request.path_params["id"])
        if resource is None:
            raise _NotServed(404, "there is no such resource")
        return dict(resource)

    async def search(self, request: Request) -> dict[str, Any]:
        return self._search(request, request.path_params["type"], list(request.query_params.multi_items()))

    async def search_by_post(self, request: Request) -> dict[str, Any]:
        """Parameters may stand in the body and in the address; a body that is no form is refused, not ignored."""
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise _NotServed(400, "a POST search must be application/x-www-form-urlencoded")
        body = parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
        return self._search(
            request, request.path_params["type"], [*request.query_params.multi_items(), *body]
        )

    async def page(self, request: Request) -> dict[str, Any]:
        """A further page of a search: everything about it stands in the token."""
        try:
            token = json.loads(base64.urlsafe_b64decode(request.query_params.get("_getpages", "")))
            resource_type, start = token["type"], int(token["start"])
            asked = [(name, value) for name, value in token["asked"]]
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise _NotServed(410, "this page is unknown or has expired") from None
        return self._search(request, resource_type, asked, start)

    async def metadata(self, request: Request) -> dict[str, Any]:
        resources = [
            {
                "type": resource_type,
                "interaction": [{"code": "read"}, {"code": "search-type"}],
                "searchParam": [{"name": "_id", "type": "token"}]
                + [{"name": name, "type": parameter.kind} for name, parameter in parameters.items()],
            }
            for resource_type, parameters in PARAMETERS.items()
        ]
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-03-01",
            "kind": "instance",
            "software": {"name": "imnm-cds demonstration EHR"},
            "implementation": {
                "description": "Synthetic sample patients, read-only",
                "url": _base(request),
            },
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": resources}],
        }

    def _of(self, resource_type: str) -> dict[str, Resource]:
        if resource_type not in self._resources:
            raise _NotServed(404, "there is no such resource type here")
        return self._resources[resource_type]

    def _search(
        self, request: Request, resource_type: str, asked: list[tuple[str, str]], start: int = 0
    ) -> dict[str, Any]:
        resources = self._of(resource_type).values()
        count = [str(PAGE_SIZE), *(value for name, value in asked if name == "_count")][-1]
        if not count.isdecimal() or len(count) > _LONGEST_COUNT:
            raise _NotServed(400, f"_count must be a whole number of at most {_LONGEST_COUNT} digits")
        size = min(int(count), _LARGEST_PAGE)
        parameters = [(name, value) for name, value in asked if name not in {"_count", "_format"}]
        try:
            matches = select(resources, resource_type, parameters)
        except SearchError as error:
            raise _NotServed(400, str(error)) from None
        base = _base(request)
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(matches),
            "link": [{"relation": "self", "url": str(request.url)}],
        }
        if start + size < len(matches) and size:
            token = {"type": resource_type, "asked": asked, "start": start + size}
            opaque = base64.urlsafe_b64encode(json.dumps(token).encode()).decode()
            bundle["link"].append({"relation": "next", "url": f"{base}?_getpages={opaque}"})
        if page := matches[start : start + size]:
            bundle["entry"] = [
                {
                    "fullUrl": f"{base}/{resource_type}/{each['id']}",
                    "resource": each,
                    "search": {"mode": "match"},
                }
                for each in page
            ]
        return bundle


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + BASE_PATH


def _fhir(status: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), status, media_type="application/fhir+json; charset=utf-8")


def _outcome(status: int, reason: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": _ISSUE_TYPES.get(status, "processing"), "diagnostics": reason}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


async def _not_there(_: Request, error: Exception) -> Response:
    """What no route takes: an unknown address, or an attempt to write."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    reason = f"there is nothing here; the base is {BASE_PATH}"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        reason = "this EHR can only be read"
    return _fhir(status, _outcome(status, reason))
