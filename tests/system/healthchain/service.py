"""A CDS service made with HealthChain, for `imnm-cds call` to call: `python service.py PORT`.

HealthChain serves discovery beside the address of its services (`/cds/cds-discovery`); its configuration moves it to
where CDS Hooks wants it. Its hook decorator knows no prefetch, so the templates are added to what discovery answers.
"""

import sys

import uvicorn
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.gateway.cds import CDSHooksConfig
from healthchain.models.requests.cdsrequest import CDSRequest
from healthchain.models.responses.cdsdiscovery import CDSServiceInformation
from healthchain.models.responses.cdsresponse import (
    Action,
    Card,
    CDSResponse,
    Link,
    SimpleCoding,
    Source,
    Suggestion,
)

TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "recent": "Observation?patient={{context.patientId}}&date=ge{{today() - 3650 days}}&_count=100",
    "visit": "Encounter/{{context.encounterId}}",
}


class PrefetchingService(CDSHooksService):
    """HealthChain's CDS Hooks service, with prefetch templates in its discovery document."""

    def handle_discovery(self) -> CDSServiceInformation:
        """Add the templates."""
        discovered = super().handle_discovery()
        for service in discovered.services:
            service.prefetch = TEMPLATES
        return discovered


cds = PrefetchingService(CDSHooksConfig(base_path="/hc", discovery_path="/cds-services"))


@cds.hook("patient-view", id="vaccination", title="Vaccination, by HealthChain")
def vaccination(request: CDSRequest) -> CDSResponse:
    """Say what was prefetched, and suggest a vaccination."""
    read = request.prefetch or {}
    observations = len(read.get("recent", {}).get("entry", []))
    patient = f"Patient/{request.context.patientId}"
    if read.get("patient", {}).get("id") != request.context.patientId:
        return CDSResponse(cards=[])
    order = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": patient},
    }
    card = Card(
        uuid="5f0cbb3e-3c0e-4f7e-9d55-6f1d4d3c1a01",
        summary=f"No influenza vaccination is recorded; {observations} observations were read",
        indicator="info",
        detail="Given the **immunosuppression**, an inactivated vaccine is advised.",
        source=Source(label="HealthChain test service", url="https://example.org/vaccination"),
        selectionBehavior="any",
        suggestions=[
            Suggestion(
                label="Order: influenza vaccination",
                uuid="5f0cbb3e-3c0e-4f7e-9d55-6f1d4d3c1a02",
                isRecommended=True,
                actions=[Action(type="create", description="Influenza vaccination", resource=order)],
            ),
            Suggestion(label="Remind me next time", isRecommended=False),
        ],
        links=[
            Link(
                label="The guideline",
                url="https://example.org/guideline",
                type="absolute",
                autoLaunchable=False,
            )
        ],
        overrideReasons=[SimpleCoding(system="urn:example:reasons", code="done", display="Given elsewhere")],
    )
    return CDSResponse(cards=[card])


app = HealthChainAPI(title="HealthChain test service", service_type="cds-hooks")
app.register_service(cds)

if __name__ == "__main__":
    address = {"host": "127.0.0.1", "port": int(sys.argv[1])}
    uvicorn.run(app, **address, http="h11", loop="asyncio", ws="none", log_level="warning")
