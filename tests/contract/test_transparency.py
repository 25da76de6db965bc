"""What a served model says of itself: every item of HTI-1 and TRIPOD+AI, at /model and /model.json."""

import json
import re
import tomllib
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from cds_service.cards.assessment import assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from cds_service.security.clients import callers
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from cds_service.web.pages.model import PAGE_HEADERS, model_page
from fhir_mapping.checks import judge
from models.artefact import ModelError
from models.registry import default_folder, load_model
from models.transparency import LONGEST_ANSWER, NOT_KNOWN, TITLES, as_document, asked, transparency
from tests.spec.language import AS_OF, read
from tests.spec.run import gathered_from
from tests.support.charts import healthy_chart
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.service import TABLES, running
from tests.support.transparency import PAGE, shipped_page

MODEL = load_model(default_folder())
ROOT = Path(__file__).parents[2]
FILLS = ROOT / "models" / "training" / "report" / "checklist.toml"
REPORT = ROOT / "docs" / "example-report.json"
SHIPPED = transparency(MODEL, default_folder())


def items(shown):
    return [item for name in TITLES for item in getattr(shown, name).items]


def test_the_checklists_of_a_report_ask_the_same():
    for name, of_report in json.loads(REPORT.read_text(encoding="utf-8"))["checklists"].items():
        listed = asked()[name]
        assert listed.source == of_report["source"]
        asks = [(item["id"], item["section"], item["topic"]) for item in of_report["items"]]
        assert [(item.id, item.section, item.topic) for item in listed.items] == asks


def test_a_report_fills_only_what_is_asked():
    fills = tomllib.loads(FILLS.read_text(encoding="utf-8"))
    assert set(fills) == set(TITLES)
    for name, of_report in fills.items():
        assert set(of_report) <= {item.id for item in asked()[name].items}


def test_there_are_31_attributes_and_52_rows_of_tripod():
    assert [item.id for item in SHIPPED.hti_1.items] == [str(number) for number in range(1, 32)]
    assert len(SHIPPED.tripod_ai.items) == 52
    assert all(re.search(r"\b20\d\d", asked()[name].read) for name in TITLES)


@pytest.mark.parametrize("evidence", ["shipped", "local-fit"])
def test_no_row_is_empty_and_what_is_not_known_says_why(evidence, tmp_path):
    shown = SHIPPED if evidence == "shipped" else transparency(replace(MODEL, evidence=evidence), tmp_path)
    for item in items(shown):
        assert item.answer.strip(), item.id
        assert "{" not in item.answer
        assert item.known is not item.answer.startswith(NOT_KNOWN)
        assert item.known or len(item.answer) > len(NOT_KNOWN) + 10
        assert not re.match("(?i)not known(?!, because )", item.answer), item


def test_a_model_without_descriptions_still_leaves_no_row_empty(tmp_path):
    bare = transparency(replace(MODEL, description={}), tmp_path)
    assert all(item.answer.strip() and "{" not in item.answer for item in items(bare))


def test_the_shipped_model_never_claims_the_published_performance_as_its_own():
    said = {item.id: item.answer for item in SHIPPED.hti_1.items}
    assert "not for this reconstruction" in said["21"]
    assert "never tried in other patients" in said["23"]


def test_the_page_of_the_documentation_is_current():
    assert PAGE.read_text(encoding="utf-8") == shipped_page(), (
        "run: python -m tests.support.transparency --write"
    )


def own(folder: Path, text: str) -> Path:
    (folder / "transparency.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_answers_for_its_own_model(tmp_path):
    shown = transparency(MODEL, own(tmp_path, '[hti_1]\n1 = "Ward 7, 555-0100"\n'))
    assert shown.hti_1.items[0].answer == "Ward 7, 555-0100"
    assert shown.hti_1.items[0].known
    assert not shown.hti_1.items[1].known


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hti_1]\n32 = 'x'", r"\[hti_1\] has no item 32"),
        ("[hti_2]\n1 = 'x'", "hti_2 is no list"),
        ("hti_1 = 'x'", "hti_1 is no list"),
        ("[hti_1]\n1 = ''", "1 must be a text of 1 to"),
        ("[hti_1]\n1 = 7", "1 must be a text of 1 to"),
        (f"[hti_1]\n1 = '{'x' * (LONGEST_ANSWER + 1)}'", "1 must be a text of 1 to"),
        ("[hti_1", "cannot be read"),
        ("#" * 200_001, "shorten it"),
    ],
)
def test_an_answer_that_cannot_be_used_stops_the_start_in_one_sentence(text, sentence, tmp_path):
    with pytest.raises(ModelError, match=sentence):
        transparency(MODEL, own(tmp_path, text))


def test_markup_in_an_answer_is_text_on_the_page(tmp_path):
    shown = transparency(MODEL, own(tmp_path, "[hti_1]\n1 = '<script>alert(1)</script>{title}'\n"))
    page = model_page(shown).decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{title}" in page
    assert "<script" not in page


async def test_the_page_and_the_document_say_the_same_and_load_nothing():
    async with running(EhrSimulator(healthy_chart("p1"))) as service:
        page, document = await service.http.get("/model"), await service.http.get("/model.json")
    assert page.status_code == document.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == PAGE_HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<(script|img|link|iframe|form)\b|\son\w+=|style=", page.text)
    assert document.json() == json.loads(json.dumps(as_document(SHIPPED)))
    for item in items(SHIPPED):
        assert escape(item.answer) in page.text


async def test_asking_about_the_model_is_an_event_of_its_own_target():
    async with running(EhrSimulator(healthy_chart("p1"))) as service:
        for path in ("/model", "/model.json", "/model/", "/models"):
            await service.http.get(path)
        targets = [json.loads(line)["target"] for line in service.lines if '"request"' in line]
    assert targets == ["model", "model", "model", "other"]


def test_every_card_links_to_the_page_where_the_service_has_a_public_address():
    known = callers(
        [Client(name="hospital", fhir_base=BASE, auth="none")], TABLES, b"x", "https://cds.example/imnm/model"
    )
    assessment = assess(judge(gathered_from(read("imnm; predictors 1001; anti-srp positive")), AS_OF), MODEL)
    (card,) = render(assessment, known[BASE].cards)
    assert card["links"] == [
        {"label": "About this model", "url": "https://cds.example/imnm/model", "type": "absolute"}
    ]
    (plain,) = render(assessment, CardSettings())
    assert "links" not in plain


@pytest.mark.parametrize(
    ("public_url", "about"),
    [
        (None, ""),
        ("https://cds.example", "https://cds.example/model"),
        ("https://cds.example/imnm/", "https://cds.example/imnm/model"),
    ],
)
def test_the_address_of_the_page_is_below_the_public_one(public_url, about):
    assert Settings(public_url=public_url).about_model == about
