import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from math import exp
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from models.artefact import Model
from models.registry import load_model
from models.training.cohort.describe import table_one
from models.training.errors import TrainingError
from models.training.fitting.train import Options
from models.training.fitting.updating.update import update
from models.training.fitting.write_model import write_model
from models.training.plain_json import as_json
from models.training.report.checklist import AUTHOR
from models.training.report.figures.canvas import even, spread, width_of
from models.training.report.figures.nomogram import nomogram
from models.training.report.in_short import level_in_words
from models.training.report.model import limits_note
from models.training.report.page import page
from models.training.report.report import Report, as_document
from models.training.report.results import slope_in_words
from models.training.report.words import written, written_p
from models.training.report.write import HTML_NAME, JSON_NAME, files_of, report_on, write_report
from models.training.validation.analysis_set import analysis_set
from models.training.validation.recorded import fit_record_in, fit_record_of
from models.training.validation.supplement.against import Rival
from models.training.validation.supplement.supplement import Asked, supplement
from models.training.validation.validate import validate
from models.training.validation.validation import Measure
from tests.statistics.example import NUMBERS, PAGE, example

from .supplemented import in_groups
from .support import rendered
from .test_validate import SMALL, elsewhere, imputed, own, record, shipped, unshrunk
from .trained import DEATHS, DEMO, GAPS, LABELS, TIME_ZERO, cohort, command, fitted

SVG = "{http://www.w3.org/2000/svg}"
OKABE_ITO = {"#000000", "#0072b2", "#d55e00", "#009e73", "#e69f00"}
GREYS = {"#707070", "#cccccc", "#e6e6e6", "#ffffff"}


@cache
def local(tmp: Path, source: Path = DEMO) -> tuple[Model, dict]:
    """A model that `train` wrote, with the record of its fit."""
    folder = tmp / "model"
    return write_model(folder, fitted(source), LABELS), fit_record_of(folder)


@pytest.fixture(scope="session")
def trained_report(tmp_path_factory) -> tuple[str, dict]:
    """The report of a fresh model in its own cohort."""
    folder = tmp_path_factory.mktemp("trained")
    model, fit = local(folder)
    found = validate(model, cohort(), record=fit, resamples=40)
    html, text = rendered(found, model, table_one(cohort()), "1 March 2026", fit)
    return html, json.loads(text)


@pytest.fixture(scope="session")
def imputed_report(tmp_path_factory) -> tuple[str, dict]:
    """The report of a model whose unknown predictors were imputed, in its own cohort."""
    model, fit = local(tmp_path_factory.mktemp("imputed"), GAPS)
    found = validate(model, cohort(GAPS), record=fit, resamples=20)
    html, text = rendered(found, model, None, "", fit)
    return html, json.loads(text)


@cache
def plain(kind: str) -> tuple[str, dict]:
    """Reports without a record: the own cohort, one with deaths, one with gaps, and cohorts that allow little."""
    found, people = {
        "own": lambda: (own(), cohort()),
        "deaths": lambda: (elsewhere(DEATHS), in_groups(cohort(DEATHS))),
        "gaps": lambda: (elsewhere(), in_groups(cohort(GAPS))),
        **{
            name: lambda make=make: (validate(shipped(), make(), resamples=20), in_groups(make()))
            for name, make in SMALL.items()
        },
    }[kind]()
    model, fit = (unshrunk(), record()) if kind == "own" else (shipped(), {})
    asked = Asked(rivals=(Rival(shipped(), {}),))
    more = supplement(model, analysis_set(model, people, fit), found, fit, asked, resamples=20)
    html, text = rendered(found, model, more=more)
    return html, json.loads(text)


KINDS = ["own", "deaths", "gaps", *SMALL]


@pytest.fixture(params=["trained", "imputed", *KINDS])
def any_report(request, trained_report, imputed_report) -> tuple[str, dict]:
    written = {"trained": trained_report, "imputed": imputed_report}
    return written.get(request.param) or plain(request.param)


class Reader(HTMLParser):
    """What the page shows in tables, cards and figures: numbers with their full values, and the words round them."""

    SHOWN = frozenset({"td", "th", "caption", "dd", "dt", "figcaption", "text", "desc", "p", "li"})
    VOID = frozenset({"meta", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict]] = []
        self.numbers: list[tuple[str, str]] = []  # full value, as shown
        self.words: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.elements.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append((tag, found))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tags = {tag for tag, _ in self.open}
        if not data.strip() or not tags & self.SHOWN:
            return
        attributes = self.open[-1][1]
        full = attributes.get("value") or attributes.get("data-value")
        if full is None:
            self.words.append(data)
        else:
            self.numbers.append((full, data))


def leaves(value):
    if isinstance(value, dict):
        for child in value.values():
            yield from leaves(child)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child)
    else:
        yield value


def shows(text: str, value: float) -> bool:
    """Whether a text is a rounding of the value, as a number, a percentage, or a p-value."""
    text = text.replace("\N{MINUS SIGN}", "-").strip()
    if text.startswith("<"):
        return value < float(text[1:])
    half = 0.5000001 * 10 ** -len(text.partition(".")[2])
    return any(abs(float(text) - shown) <= half for shown in (value, 100 * value))


def test_every_number_of_the_page_stands_in_the_json(any_report):
    html, content = any_report
    found = list(leaves(content))
    numbers = {float(value) for value in found if isinstance(value, int | float)}
    texts = " ".join(str(value) for value in found)
    shown = Reader(html)
    assert len(shown.numbers) > 200
    for full, text in shown.numbers:
        assert float(full) in numbers, (full, text)
        assert shows(text, float(full)), (full, text)
    for words in shown.words:
        for number in re.findall(r"\d+(?:\.\d+)?", words):
            assert number in texts or number in CONVENTIONS, words


CONVENTIONS = {"95", "100", "200"}  # 95 % limits; how many events a calibration curve needs


def test_the_numbers_of_each_figure_are_listed_with_it(any_report):
    html, content = any_report
    svgs = re.findall(r'<svg id="figure-([^"]+)".*?</svg>', html, re.DOTALL)
    assert sorted(content["figures"]) == sorted(svgs)


def test_the_same_input_gives_the_same_bytes():
    assert rendered(own(), unshrunk()) == rendered(own(), unshrunk())
    again = validate(unshrunk(), cohort(), record=record(), resamples=40)
    assert rendered(again, unshrunk()) == rendered(own(), unshrunk())


def test_the_page_holds_no_script_and_nothing_from_elsewhere(any_report):
    html, _ = any_report
    for tag, attributes in Reader(html).elements:
        assert tag not in {
            "script",
            "link",
            "iframe",
            "object",
            "embed",
            "img",
            "base",
            "form",
            "image",
            "use",
        }
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "xlink:href"}]
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)


def test_every_figure_is_valid_xml_with_a_title_and_a_description(any_report):
    html, _ = any_report
    figures = re.findall(r"<svg .*?</svg>", html, re.DOTALL)
    assert len(figures) >= 8
    for text in figures:
        svg = ET.fromstring(text)
        assert svg.get("role") == "img"
        title, about = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
        assert svg.get("aria-labelledby") == f"{title.get('id')} {about.get('id')}"
        assert len(title.text) > 5
        assert len(about.text) > 20


def test_figures_are_drawn_in_colours_that_colour_blind_people_tell_apart(any_report):
    html, _ = any_report
    used = {
        c.lower()
        for svg in re.findall(r"<svg .*?</svg>", html, re.DOTALL)
        for c in re.findall(r"#\w{6}", svg)
    }
    assert used <= OKABE_ITO | GREYS


def test_lines_of_a_figure_differ_in_more_than_colour(any_report):
    html, _ = any_report
    for text in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        lines = [e for e in ET.fromstring(text).iter(f"{SVG}path") if e.get("stroke-width") == "2.2"]
        dashes = {}
        for line in lines:
            dashes.setdefault(line.get("stroke-dasharray"), set()).add(line.get("stroke"))
        assert all(len(colours) == 1 for colours in dashes.values())


def test_words_of_a_figure_are_dark_enough_to_be_read(any_report):
    html, _ = any_report
    for text in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        inks = {e.get("fill", "#000000") for e in ET.fromstring(text).iter(f"{SVG}text")}
        assert inks <= {"#000000", "#707070"}


def test_headings_are_in_order_ids_are_unique_and_links_lead_somewhere(any_report):
    page = Reader(any_report[0])
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    links = [a["href"][1:] for tag, a in page.elements if tag == "a"]
    assert links
    assert set(links) <= set(page.ids)


def test_the_page_names_its_language_and_its_tables_their_headings(any_report):
    page = Reader(any_report[0])
    assert ("html", {"lang": "en"}) in page.elements
    heads = [a for tag, a in page.elements if tag == "th"]
    assert {a.get("scope") for a in heads} == {"col", "row"}
    tables = [tag for tag, _ in page.elements if tag in {"table", "caption"}]
    assert tables == ["table", "caption"] * (len(tables) // 2)


def _boxes(svg: ET.Element):
    """Where the level texts of a figure lie, by a guess of their widths: text, left, right, top, bottom."""
    for element in svg.iter(f"{SVG}text"):
        if element.get("transform"):
            continue
        text, size = "".join(element.itertext()), float(element.get("font-size"))
        wide, x, y = width_of(text, size * 0.9), float(element.get("x")), float(element.get("y"))
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[element.get("text-anchor")]
        yield text, left, left + wide, y - 0.75 * size, y


def test_no_label_of_a_figure_lies_on_another_or_outside(any_report):
    html, _ = any_report
    for text in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        svg = ET.fromstring(text)
        _, _, width, height = map(float, svg.get("viewBox").split())
        boxes = list(_boxes(svg))
        for i, (name, left, right, top, bottom) in enumerate(boxes):
            assert left >= -1, (svg.get("id"), name)
            assert right <= width + 1, (svg.get("id"), name)
            assert top >= 0, (svg.get("id"), name)
            assert bottom <= height, (svg.get("id"), name)
            for other, left2, right2, top2, bottom2 in boxes[i + 1 :]:
                apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
                assert apart, (svg.get("id"), name, other)


def test_no_name_of_a_line_lies_on_the_limit_of_a_band():
    """Everybody's line leaves the decision curve near the limit of the high band, here."""
    html, _ = rendered(imputed(), unshrunk())
    (text,) = re.findall(r'<svg [^>]*id="figure-decision-2y".*?</svg>', html, re.DOTALL)
    svg = ET.fromstring(text)
    (named,) = (box for box in _boxes(svg) if box[0] == "act for all")
    paths = [p.get("d") for p in svg.iter(f"{SVG}path") if p.get("stroke-dasharray") == "2 3"]
    upright = [
        float(x)
        for path in paths
        for x, again in re.findall(r"^M([\d.]+) [\d.]+ ?L([\d.]+)", path)
        if x == again
    ]
    assert len(upright) == 2
    assert not any(named[1] < x < named[2] for x in upright)


def test_the_bars_of_what_is_known_carry_every_number_that_they_have_room_for():
    html, _ = rendered(imputed(), unshrunk())
    (text,) = re.findall(r'<svg [^>]*id="figure-missing".*?</svg>', html, re.DOTALL)
    shown = {"".join(e.itertext()) for e in ET.fromstring(text).iter(f"{SVG}text")}
    assert {"29", "30", "25"} <= shown


def test_the_first_page_says_what_matters(trained_report):
    html, content = trained_report
    first = html[: html.index('<section id="flow"')]
    corrected = content["validation"]["internal"]["concordance"]["corrected"]
    for needed in (
        "Evidence: Fitted to local data",
        "200",
        "73",
        TIME_ZERO,
        f"{corrected:.2f}",
        "corrected for optimism",
        "Calibration slope",
        "What this cannot tell",
        "another hospital",
        "1 March 2026",
    ):
        assert needed in first


def test_a_report_without_a_date_names_none():
    html, content = plain("own")
    assert content["date"] == ""
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", html)


def test_the_limits_of_a_reconstructed_model_are_on_the_first_page():
    html, _ = plain("gaps")
    first = html[: html.index('<section id="flow"')]
    assert "Reconstructed from literature" in first
    assert shipped().limits.split(";")[0] in first


def test_there_are_31_source_attributes_and_every_item_of_tripod(any_report):
    _, content = any_report
    lists = content["checklists"]
    assert [item["id"] for item in lists["hti_1"]["items"]] == [str(i) for i in range(1, 32)]
    main = [re.match(r"\d+", item["id"])[0] for item in lists["tripod_ai"]["items"]]
    assert list(dict.fromkeys(main)) == [str(i) for i in range(1, 28)]
    assert len(main) == 52


def test_what_the_data_cannot_answer_is_left_to_the_author(any_report):
    html, content = any_report
    answers = {item["id"]: item for item in content["checklists"]["tripod_ai"]["items"]}
    assert answers["17"] == answers["17"] | {"answer": AUTHOR, "filled": False}
    assert str(content["validation"]["n"]) in answers["20a"]["answer"]
    assert AUTHOR in html
    assert all("{" not in item["answer"] for item in answers.values())


def test_the_record_of_the_fit_has_its_section_and_other_reports_none(trained_report):
    assert "Each predictor alone" in trained_report[0]
    assert "Riley" in trained_report[0]
    assert '<section id="development"' not in plain("own")[0]


def reported(kind: str = "own") -> Report:
    """A report as read from its own JSON."""
    return msgspec.convert(plain(kind)[1] | {"table_one": None}, Report)


def test_the_nomogram_gives_the_served_risks():
    scales, model = nomogram(reported().model), unshrunk()
    best = max(model.log_hazard_ratios)
    for scale, hazard in zip(scales.scales, model.baseline_hazard.values(), strict=True):
        for tick in scale.risks:
            log_relative = tick.points * best / 100
            assert 1 - exp(-hazard * exp(log_relative)) == pytest.approx(tick.risk)


@pytest.mark.parametrize("first", [0.8, -0.5])
def test_the_lines_of_the_nomogram_reach_from_the_lowest_risk_of_the_model_to_the_highest(first):
    model = reported().model
    changed = replace(model.predictors[0], log_hazard_ratio=first)
    model = replace(model, predictors=(changed, *model.predictors[1:]))
    scales = nomogram(model)
    ratios = [predictor.log_hazard_ratio for predictor in model.predictors]
    lowest, highest = (sum(end(0.0, ratio) for ratio in ratios) for end in (min, max))
    for scale, at in zip(scales.scales, model.horizons, strict=True):
        assert [scale.risks[end].points for end in (0, -1)] == [0, scales.total]
        for tick, relative in ((scale.risks[0], lowest), (scale.risks[-1], highest)):
            assert tick.risk == pytest.approx(1 - exp(-at.baseline_cumulative_hazard * exp(relative)))
        assert [tick.points for tick in scale.risks] == sorted({tick.points for tick in scale.risks})


def test_the_lines_of_the_nomogram_are_drawn_from_end_to_end(any_report):
    html, content = any_report
    svg = ET.fromstring(re.search(r'<svg id="figure-nomogram".*?</svg>', html, re.DOTALL)[0])
    across = [re.findall(r"[\d.]+", path.get("d")) for path in svg.iter(f"{SVG}path")]
    whole = [line for line in across if line[1] == line[3] and float(line[2]) - float(line[0]) == 430]
    lines = {text.text: text for text in svg.iter(f"{SVG}text") if text.get("font-weight")}
    assert list(lines)[:2] == ["Points", "Total points"]
    assert len(lines) == 2 + len(content["nomogram"]["scales"])
    heights = {float(line[1]) + 4 for line in whole}
    assert {float(text.get("y")) for text in lines.values()} <= heights
    shown = {text.get("data-value") for text in svg.iter(f"{SVG}text")}
    for scale in content["nomogram"]["scales"]:
        assert {repr(scale["risks"][end]["risk"]) for end in (0, -1)} <= shown


def test_a_protective_predictor_gives_its_points_where_it_is_absent():
    model = reported().model
    protective = replace(model.predictors[0], log_hazard_ratio=-0.5)
    scales = nomogram(replace(model, predictors=(protective, *model.predictors[1:])))
    first = scales.predictors[0]
    assert (first.present, first.absent > 0) == (0.0, True)
    assert scales.total == sum(max(p.present, p.absent) for p in scales.predictors)


def record_of(folder: Path, **options) -> dict:
    """What `train` records of a fit with these options."""
    write_model(folder, fitted(**options), LABELS)
    return fit_record_of(folder)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "as wide on the log scale as before"),
        ({"shrinkage": "none"}, "Limits as served: Wald, of the fit by maximum likelihood, not shrunk."),
        ({"ridge": 2.0}, "by the inverse of the penalised information"),
        ({"firth": True}, "round Firth’s estimate"),
    ],
)
def test_the_limits_of_hazard_ratios_say_how_they_were_made(options, sentence, tmp_path):
    fit = record_of(tmp_path / "model", **options)
    html, _ = rendered(own(), load_model(tmp_path / "model"), record=fit)
    assert html.count(sentence) == 2  # at the table and at the figure


def test_the_limits_of_shrunk_hazard_ratios_are_as_wide_as_those_of_the_unshrunk_fit(tmp_path):
    fit = record_of(tmp_path / "model")
    model = load_model(tmp_path / "model")
    ratios = validate(model, cohort(), record=fit, resamples=20).hazard_ratios
    factor = fit["shrinkage"]["factor"]
    assert factor < 1
    for ratio, b, se in zip(
        ratios, fit["unshrunk_log_hazard_ratios"], fit["unshrunk_standard_errors"], strict=True
    ):
        assert ratio.served.low == pytest.approx(factor * b - 1.959964 * se)
        assert ratio.served.high == pytest.approx(factor * b + 1.959964 * se)


def test_the_limits_of_a_model_of_which_only_the_baseline_is_local_are_those_of_its_parent(tmp_path):
    write_model(tmp_path / "model", update(cohort(), shipped(), Options()), LABELS)
    assert "those of the given model; neither its log hazard ratios nor their covariance" in limits_note(
        fit_record_in(fit_record_of(tmp_path / "model"))
    )
    assert "by the covariance of the model file" in plain("gaps")[0]


def test_the_checklists_are_folded_on_the_screen_and_open_in_print(any_report):
    html, _ = any_report
    folded = re.findall(r"<details>.*?</details>", html, re.DOTALL)
    assert [re.search(r"<caption>(\S+)", part)[1] for part in folded] == ["TRIPOD+AI,", "45"]
    printed = html[html.index("@media print") : html.index("</style>")]
    assert "details::details-content { display: block; content-visibility: visible" in printed


def test_a_record_of_a_fit_that_cannot_be_read_ends_in_one_sentence():
    with pytest.raises(TrainingError, match=r"the record of the model's fit cannot be read: .*patients"):
        rendered(own(), unshrunk(), record={"kind": "fit", "centre": "West", "time_zero": "now"})


def test_characteristics_take_the_place_of_the_predictors_alone():
    described = table_one(cohort())
    html, text = rendered(own(), unshrunk(), described)
    assert "Characteristics by recurrence" in html
    assert "Predictors at time zero" not in html
    assert "Predictors at time zero" in plain("own")[0]
    assert json.loads(text)["table_one"] == as_json(described)


def test_words_from_outside_are_escaped():
    found = replace(own(), cohort='<b>"&', time_zero="<script>alert(1)</script>")
    html, _ = rendered(found, unshrunk())
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_both_files_are_written_whole(tmp_path):
    html, numbers = write_report(own(), None, unshrunk(), tmp_path / "new" / "folder")
    assert (html.name, numbers.name) == (HTML_NAME, JSON_NAME)
    assert (html.read_text(encoding="utf-8"), numbers.read_text(encoding="utf-8")) == rendered(
        own(), unshrunk()
    )
    assert {p.name for p in html.parent.iterdir()} == files_of(own(), unshrunk()).keys()


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(TrainingError, match="the report cannot be written"):
        write_report(own(), None, unshrunk(), tmp_path / "taken")


def test_when_one_file_cannot_be_written_the_other_is_not_left_behind(tmp_path):
    (tmp_path / f"{JSON_NAME}.part").mkdir()
    with pytest.raises(TrainingError, match="the report cannot be written"):
        write_report(own(), None, unshrunk(), tmp_path)
    assert not list(tmp_path.glob("report.html*"))


def test_a_model_of_a_folder_is_validated_and_reported_in_one_step(tmp_path):
    write_model(tmp_path / "model", fitted(), LABELS)
    found, page = report_on(tmp_path / "model", cohort(), tmp_path / "report", resamples=20)
    assert found.internal.resamples == 20
    assert json.loads((page.parent / JSON_NAME).read_text())["validation"] == as_json(found)


def test_the_command_prints_the_main_numbers_and_where_the_report_is(tmp_path):
    write_model(tmp_path / "model", fitted(), LABELS)
    ended = command(
        "validate", tmp_path / "model", DEMO, "--out", tmp_path / "report",
        "--time-zero", TIME_ZERO, "--bootstrap", "20", "--date", "1 March 2026",
    )  # fmt: skip
    assert (ended.status, ended.error) == (0, "")
    for needed in ("200 patients, 73", "corrected for optimism", "0.77 (0.68 to 0.85)", "report.html"):
        assert needed in ended.out
    assert "1 March 2026" in (tmp_path / "report" / HTML_NAME).read_text(encoding="utf-8")


def test_the_command_says_who_was_taken_out(tmp_path):
    ended = command(
        "validate", shipped_folder(), GAPS, "--out", tmp_path, "--time-zero", TIME_ZERO, "--bootstrap", "20"
    )
    assert ended.status == 0
    assert "recurrences, 8 died before" in " ".join(ended.out.split())


@pytest.mark.parametrize("there", [HTML_NAME, "notes.txt"])
def test_a_report_is_never_written_over_what_is_there(tmp_path, there):
    (tmp_path / there).write_text("mine")
    ended = command("validate", shipped_folder(), DEMO, "--out", tmp_path, "--time-zero", TIME_ZERO)
    assert (ended.status, "is not empty" in ended.error) == (2, True)
    assert (tmp_path / there).read_text() == "mine"


def shipped_folder() -> Path:
    return Path(load_model.__code__.co_filename).parent / "imnm_recurrence"


@pytest.mark.parametrize(
    ("model", "data", "sentence"),
    [
        ("nowhere", DEMO, "nowhere"),
        (shipped_folder(), "nowhere.csv", "nowhere.csv"),
    ],
)
def test_a_model_or_a_cohort_that_is_not_there_ends_in_one_line_and_writes_nothing(
    model, data, sentence, tmp_path
):
    out = tmp_path / "report"
    ended = command("validate", model, data, "--out", out, "--time-zero", TIME_ZERO)
    assert ended.status == 2
    assert sentence in ended.error
    assert ended.error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("value", "decimals", "percent", "text"),
    [
        (0.7347, 2, False, "0.73"),
        (0.5, 0, True, "50"),
        (-0.0004, 2, False, "0.00"),
        (-0.25, 2, False, "\N{MINUS SIGN}0.25"),
    ],
)
def test_numbers_are_written_alike_everywhere(value, decimals, percent, text):
    assert written(value, decimals, percent=percent) == text


@pytest.mark.parametrize(
    ("p", "text"), [(1e-9, "< 0.001"), (0.0032, "0.0032"), (0.041, "0.041"), (0.55, "0.55"), (1.0, "1.00")]
)
def test_p_values_have_two_figures(p, text):
    assert written_p(p) == text


def test_labels_are_moved_apart_and_stay_inside():
    assert spread([10, 11, 50], 16, 0, 100) == [10, 26, 50]
    assert spread([98, 99, 97], 10, 0, 100) == [90, 100, 80]
    assert spread([], 10, 0, 100) == []


def test_ticks_are_whole_multiples():
    assert even(-0.05, 0.1, 0.05) == [-0.05, 0.0, 0.05, 0.1]
    assert even(0, 3, 1) == [0, 1, 2, 3]


def test_the_example_in_the_documentation_is_made_by_this_page_from_its_numbers():
    content = json.loads(NUMBERS.read_text(encoding="utf-8"))
    report = msgspec.convert(content, Report)
    html, drawn = page(report)
    assert html == PAGE.read_text(encoding="utf-8")
    assert drawn == report.figures
    assert as_document(report) == content
    assert content["evidence"].startswith("Synthetic")


def test_the_example_shows_the_numbers_of_a_fit_today():
    stored = json.loads(NUMBERS.read_text(encoding="utf-8"))
    fresh = json.loads(example(resamples=20)[1])
    assert fresh["validation"]["cohort_sha256"] == stored["validation"]["cohort_sha256"]
    for at, then in zip(fresh["validation"]["horizons"], stored["validation"]["horizons"], strict=True):
        assert at["auc"]["value"] == pytest.approx(then["auc"]["value"], abs=1e-9)
        assert at["observed"] == then["observed"]
    aucs = [f"{at['auc']['value']:.2f}" for at in stored["validation"]["horizons"]]
    assert aucs == ["0.77", "0.84", "0.74"]
    assert stored["validation"]["internal"]["resamples"] == 1000


def answers(html: str) -> dict[str, str]:
    """The table of the first page: questions and answers as words."""
    table = html.partition("<caption>In short</caption>")[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', table)
    return {question: re.sub("<[^>]+>", "", answer) for question, answer in rows}


def test_the_first_page_answers_what_a_reader_asks_first(trained_report):
    html, numbers = trained_report
    found, factor = answers(html), numbers["fit"]["shrinkage"]["factor"]
    assert found["Who was analysed"] == (
        "200 of 200 patients; 73 had a recurrence (18.2 for each of 4 predictors), 0 died before"
    )
    assert found["Who was left out"] == "nobody"
    assert found["What was not known of them"] == "every predictor was known"
    assert found["What is predicted"] == f"a recurrence within 1, 2, 3 years, counted from: {TIME_ZERO}"
    assert f"was multiplied by {factor:.2f}" in found["Is it overfitted?"]
    assert "95 % limits hold 1" in found["Is it overfitted?"]
    assert found["From when a card counts"].startswith("The moment of the question")
    assert found["What death does"] == "nobody died before a recurrence"
    assert "95 % limits hold 1" in found["Is the level of risk right?"]
    assert "near 1 by construction" in found["Is the level of risk right?"]
    assert "plausible range" in found["What the limits are"]
    assert "40 resamples" in found["In whom it was tried"]
    assert "children" in found["What it must not be used for"]


def test_who_was_left_out_and_what_was_not_known_stand_on_the_first_page():
    complete = validate(unshrunk(), cohort(GAPS), record=record(GAPS) | {"seed": 1}, resamples=20)
    left_out = answers(rendered(complete, unshrunk())[0])["Who was left out"]
    assert left_out == "73: missing: cardiac_involvement 29, high_ana 30, high_drr 25"
    found = answers(rendered(imputed(), unshrunk())[0])
    assert found["Who was left out"] == "nobody"
    assert found["What was not known of them"] == (
        "one or more predictors of 73 patients; they were imputed 4 times"
    )
    assert "averaged" in answers(plain("gaps")[0])["What was not known of them"]


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (Measure(0.7, 0.1, 0.5, 0.9), "too extreme"),
        (Measure(1.3, 0.1, 1.1, 1.5), "not extreme enough"),
        (Measure(1.1, 0.1, 0.9, 1.3), "neither"),
        (Measure(0.7), "Below 1, risks are too extreme"),
    ],
)
def test_a_slope_is_put_into_words_only_as_far_as_its_limits_bear_out(slope, said):
    assert said in slope_in_words(slope)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (Measure(0.7, 0.1, 0.5, 0.9), "too high on average."),
        (Measure(1.3, 0.1, 1.1, 1.5), "too low on average."),
        (Measure(1.1, 0.1, 0.9, 1.3), "neither"),
        (Measure(0.7), "Below 1, risks are too high"),
    ],
)
def test_the_level_of_risk_is_put_into_words_only_as_far_as_its_limits_bear_out(ratio, said):
    assert said in level_in_words(ratio)


def test_where_the_level_of_risk_cannot_be_judged_the_first_page_says_why():
    validation = own()
    at = tuple(
        replace(at, observed_over_expected=Measure(None, reason="too few")) for at in validation.horizons
    )
    html, _ = rendered(replace(validation, horizons=at), unshrunk())
    assert answers(html)["Is the level of risk right?"] == "That cannot be said: too few."


def test_in_other_patients_the_level_of_risk_is_not_excused_by_construction():
    html, _ = rendered(replace(own(), same_cohort="", internal=None), unshrunk())
    assert "construction" not in answers(html)["Is the level of risk right?"]


def test_who_died_and_what_that_does_stand_on_the_first_page():
    html, _ = rendered(replace(own(), deaths=8), unshrunk())
    assert answers(html)["What death does"].startswith(
        "8 died before a recurrence; they count as followed until then"
    )


@pytest.mark.parametrize(("evidence", "refused"), [("synthetic", True), ("local-fit", False)])
def test_a_model_of_made_up_data_is_for_no_real_patient(evidence, refused):
    html, _ = rendered(own(), replace(unshrunk(), evidence=evidence))
    answer = answers(html)["What it must not be used for"]
    assert answer.startswith("Any real patient") is refused
    assert "children" in answer


@pytest.mark.parametrize(
    ("same", "start"),
    [("fit", "Warning: few"), ("", "Warning, of the patients that the model was fitted to: few")],
)
def test_a_warning_says_of_which_patients_it_is(same, start, tmp_path):
    model, fit = local(tmp_path)
    html, _ = rendered(
        replace(own(), same_cohort=same, internal=None), model, record=fit | {"warnings": ["few"]}
    )
    assert f"<li>{start}.</li>" in html


def test_an_unstable_slope_is_said_to_be_so_and_has_no_number():
    internal = replace(own().internal, slope=Measure(None, reason="unstable: it jumps"))
    html, _ = rendered(replace(own(), internal=internal), unshrunk())
    assert "no slope can be given: unstable: it jumps" in answers(html)["Is it overfitted?"]
    assert "No corrected slope is given: unstable: it jumps" in html
