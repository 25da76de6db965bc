"""What holds for every test: no answer of the service has a null or empty element but those that the standard allows."""

import json
from collections.abc import Iterator

import pytest
from starlette.responses import Response

from tests.support.walker import hollow_elements


@pytest.fixture(autouse=True)
def _no_answer_is_hollow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Walk through every JSON body that is answered while a test runs (CDS Hooks G-03, G-04)."""
    found: list[str] = []
    original = Response.__init__

    def watched(self: Response, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)
        if "json" in (self.media_type or "") and self.body:
            found.extend(hollow_elements(json.loads(bytes(self.body))))

    monkeypatch.setattr(Response, "__init__", watched)
    yield
    assert found == []
