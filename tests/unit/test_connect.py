"""`check --connect` against the bendable EHR: every kind of row, what is said about it, and what must never be said."""

import asyncio
import io
import json
from urllib.parse import unquote

import pytest

from cds_service.commands import probe
from cds_service.commands.connect import harmless, show_connections
from cds_service.errors import UnusableInput
from cds_service.fhir.client import connect
from cds_service.fhir.gather import gather
from cds_service.fhir.queries import QUERIES
from cds_service.security.clients import callers
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.terminal import open_console
from cds_service.web.discovery import discovery_file
from tests.support import ehr_simulator as sim
from tests.support.charts import AS_OF, condition, enzyme, healthy_chart, imnm_chart, patient, prescription
from tests.support.ehr_simulator import BASE, TOKEN, EhrSimulator, answer, outcome
from tests.support.service import TABLES
from tests.support.tokens import jwk, key_set, proving

ANA, SRP = "5048-4", "33921-8"
KEYS = [query.key for query in QUERIES]
QUICK = Limits(answer_seconds=1.0)


@pytest.fixture(autouse=True)
def _no_token_and_prepared_tables(monkeypatch):
    monkeypatch.delenv("IMNM_CDS_FHIR_TOKEN", raising=False)
    monkeypatch.setattr("cds_service.commands.connect.load_tables", lambda: TABLES)


class Clock:
    """Time that passes only when a fault says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def takes(self, seconds):
        def fault(_, response):
            self.now += seconds
            return response

        return fault


def checked(ehr, *clients, only="", patient="p1", **more):
    """What is printed, and whether everything works."""
    configured = Settings.model_construct(client=clients or (Client(name="hospital", fhir_base=BASE),))
    output = io.StringIO()
    works = show_connections(
        open_console(output), configured, only=only, patient=patient, transport=ehr, **more
    )
    return output.getvalue(), works


def row(text, key):
    """The words of one row, its folded lines put together; the time is left out."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.split()[:1] == [key])
    words = lines[start].split()[1:]
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            break
        words += line.split()
    return " ".join(word for n, word in enumerate(words) if not _is_time(words, n))


def _is_time(words, n):
    return _is_number(words[n]) or (words[n] == "s" and _is_number(words[n - 1]))


def _is_number(word):
    return word.count(".") == 1 and word.replace(".", "").isdigit()


def flat(text):
    return " ".join(text.split())


def wants_category(request, response):
    return response if "category=" in str(request.url) else answer(outcome("required"), 400)


def with_self(url):
    return sim.changed(lambda bundle: bundle.update(link=[{"relation": "self", "url": url}]))


def test_a_server_that_does_everything_works_and_is_said_to():
    text, works = checked(EhrSimulator(imnm_chart()))
    assert works
    assert row(text, "patient") == "supported: 1 resource, 1 page"
    assert row(text, "enzymes") == "supported: 4 resources, 1 page"
    assert all(row(text, key).startswith("supported") for key in KEYS)
    assert text.strip().endswith("Everything is supported.")


def test_every_template_is_asked_once_as_a_client_fills_it_before_the_chart_is_read():
    ehr = EhrSimulator(imnm_chart())
    checked(ehr)
    templates = json.loads(discovery_file().read_text(encoding="utf-8"))["services"][0]["prefetch"]
    filled = [template.replace("{{context.patientId}}", "p1") for template in templates.values()]
    assert [unquote(url) for url in ehr.asked()[: 1 + len(filled)]] == [
        f"{BASE}/metadata",
        *(f"{BASE}/{each}" for each in filled),
    ]


def test_all_pages_of_a_query_are_read():
    many = [condition(number=f"c{n}") for n in range(250)]
    text, _ = checked(EhrSimulator([patient(), *many], page_size=100))
    assert row(text, "conditions") == "supported: 250 resources, 3 pages"


def test_what_the_server_does_not_have_is_not_offered_and_no_failure():
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(404), "MedicationDispense"))
    assert works
    assert row(text, "medicationDispenses") == "not offered (HTTP 404: not there)"
    assert 'add not_offered = ["medicationDispenses"]' in flat(text)


def test_what_the_configuration_leaves_out_is_not_asked_for():
    ehr = EhrSimulator(imnm_chart())
    client = Client(name="hospital", fhir_base=BASE, not_offered=frozenset({"orders", "antibodies"}))
    text, works = checked(ehr, client)
    assert works
    assert row(text, "orders") == "not offered by configuration"
    assert ehr.asked("ServiceRequest") == []
    assert "15 requests" in flat(text)
    assert "without IMNM 2 requests" in flat(text)


def test_a_server_that_wants_a_category_is_asked_by_category():
    ehr = EhrSimulator(imnm_chart()).bend(wants_category, "Observation")
    text, works = checked(ehr)
    assert works
    assert row(text, "enzymes") == "asks otherwise (HTTP 400); supported by category: 6 resources, 1 page"
    assert "in part by another search" in flat(text)


def test_conditions_are_asked_by_category_and_at_last_by_patient_alone():
    by_category = EhrSimulator(imnm_chart()).bend(wants_category, "Condition")
    assert "supported by category: 1 resource, 3 pages" in row(checked(by_category)[0], "conditions")

    def alone(request, response):
        wanted = str(request.url).endswith("patient=p1")
        return response if wanted else answer(outcome("not-supported"), 400)

    ehr = EhrSimulator(imnm_chart()).bend(alone, "Condition")
    assert "supported by patient alone: 1 resource" in row(checked(ehr)[0], "conditions")


def test_a_server_that_supports_neither_the_codes_nor_the_category_does_not_offer_it():
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(400, "not-supported"), "Observation"))
    assert works
    assert row(text, "ana") == "not offered (HTTP 400: it does not accept this search)"


def test_a_server_that_wants_what_we_cannot_give_refuses():
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(400, "required"), "Observation"))
    assert not works
    assert row(text, "ana") == "refused (HTTP 400: it does not accept this search)"


@pytest.mark.parametrize(
    ("status", "meaning", "todo"),
    [
        (400, "it does not accept this search", "mend it in cds_service/fhir/queries.py"),
        (302, "it sends us elsewhere", "Raise a ticket with the server's operator: ana"),
        (429, "too many requests", "Raise a ticket"),
        (500, "the server failed", "Raise a ticket"),
        (503, "it is busy", "Raise a ticket"),
    ],
)
def test_a_refused_query_is_named_with_its_status_and_what_to_do(status, meaning, todo):
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(status), "Observation", code=ANA))
    assert not works
    assert row(text, "ana") == f"refused (HTTP {status}: {meaning})"
    assert row(text, "antibodies").startswith("supported")
    assert todo in flat(text)


@pytest.mark.parametrize("status", [403, 404])
def test_conditions_are_never_merely_not_offered(status):
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(status), "Condition"))
    assert not works
    assert row(text, "conditions").startswith(f"refused (HTTP {status}")


def test_an_answer_that_cannot_be_used_is_a_failure():
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.truncated, "Observation", code=ANA))
    assert not works
    assert row(text, "ana") == "failed (the answer is not FHIR JSON)"
    assert "Raise a ticket with the server's operator: ana (the answer is not FHIR JSON)." in flat(text)


def test_a_later_page_that_is_refused_is_a_failure():
    many = [condition(number=f"c{n}") for n in range(150)]
    ehr = EhrSimulator([patient(), *many]).bend(sim.status(500), "Condition", page=2)
    text, works = checked(ehr)
    assert not works
    assert row(text, "conditions") == "failed (page 2: HTTP 500)"


def test_a_query_that_takes_more_than_half_of_a_charts_time_is_slow_but_works():
    clock = Clock()
    ehr = EhrSimulator(imnm_chart()).bend(clock.takes(0.81), "Observation", code=ANA)
    ehr.bend(clock.takes(0.8), "Observation", code=SRP)
    text, works = checked(ehr, clock=clock)
    assert works
    assert row(text, "ana") == "slow, but supported: 1 resource, 1 page"
    assert row(text, "antibodies") == "supported: 1 resource, 1 page"
    assert "More than 0.8 s for ana: raise a ticket" in flat(text)


def test_a_query_that_does_not_end_in_time_is_a_time_out():
    ehr = EhrSimulator(imnm_chart()).bend(sim.hang, "Observation", code=ANA)
    text, works = checked(ehr, limits=QUICK)
    assert not works
    assert row(text, "ana") == "time-out (timed out)"
    assert row(text, "reports").startswith("supported")


def test_a_server_that_cannot_answer_in_parallel_is_found():
    open_now = 0

    async def one_at_a_time(_, response):
        nonlocal open_now
        open_now += 1
        try:
            await asyncio.sleep(0)
            return answer(outcome("throttled"), 500) if open_now > 1 else response
        finally:
            open_now -= 1

    text, works = checked(EhrSimulator(imnm_chart()).bend(one_at_a_time))
    assert not works
    assert all(row(text, key).startswith("supported") for key in KEYS)
    said = flat(text).partition("Asked in parallel, as a hook call asks within 1.6 s, ")[2]
    assert "enzymes" in said.partition(" could not be read: raise a ticket")[0]


def test_a_parameter_that_the_server_leaves_out_of_its_own_account_was_ignored():
    ehr = EhrSimulator(imnm_chart()).bend(with_self(f"{BASE}/Observation?subject=p1"), "Observation")
    text, works = checked(ehr)
    assert works
    assert row(text, "ana") == "supported: 1 resource, 1 page; it ignores code"
    assert "Search parameters are ignored in antibodies, ana" in flat(text)


@pytest.mark.parametrize("link", ["Observation", "Observation?patient=p1&code:in=a&status=b"])
def test_an_account_without_parameters_or_with_all_of_them_says_nothing_is_ignored(link):
    text, _ = checked(EhrSimulator(imnm_chart()).bend(with_self(f"{BASE}/{link}"), "Observation"))
    assert row(text, "ana") == "supported: 1 resource, 1 page"


def test_an_account_of_a_later_page_is_no_account_of_the_search():
    many = [condition(number=f"c{n}") for n in range(150)]
    links = [{"relation": "self", "url": f"{BASE}?_getpages=x"}]
    ehr = EhrSimulator([patient(), *many])
    ehr.bend(sim.changed(lambda bundle: bundle.update(link=links)), "Condition", page=2)
    assert row(checked(ehr)[0], "conditions") == "supported: 150 resources, 2 pages"


async def test_the_cost_of_a_chart_is_what_a_hook_call_makes_of_it():
    chart = [
        *imnm_chart(),
        prescription("m2", medicationReference={"reference": "Medication/a"}),
        {
            "resourceType": "Medication",
            "id": "a",
            "ingredient": [{"itemReference": {"reference": "Medication/b"}}],
        },
        {"resourceType": "Medication", "id": "b", "code": {"text": "b"}},
        prescription("m3", medicationReference={"reference": "Medication/absent"}),
    ]
    chart += [condition(number=f"x{n}") for n in range(150)]
    client = Client(name="hospital", fhir_base=BASE, not_offered=frozenset({"reports"}))
    (caller,) = callers([client], TABLES, b"").values()

    def ehr():
        return EhrSimulator(chart).bend(wants_category, "Observation").bend(sim.status(404), "Encounter")

    async with connect(Limits(), ehr()) as connection:
        spent = await probe.cost(probe.Server(caller, connection, "", Limits(), Clock()), "p1")
    async with connect(Limits(), ehr()) as connection:
        gathering = await gathered(caller, "p1", connection)
    assert (spent.whole.requests, spent.whole.bytes) == (gathering.fhir_requests, gathering.fhir_bytes)
    assert (
        not spent.unread
    )  # a Medication that is nowhere is a doubt, and the list that names it was read (T1)


async def gathered(caller, patient_id, connection):
    deadline = asyncio.get_running_loop().time() + 5
    within = {"connection": connection, "limits": Limits(), "deadline": deadline}
    return await gather(caller, patient_id, "", {}, as_of=AS_OF, **within)


async def test_the_cost_of_phase_1_is_what_a_hook_call_costs_for_a_patient_without_imnm():
    (caller,) = callers([Client(name="hospital", fhir_base=BASE)], TABLES, b"").values()
    async with connect(Limits(), EhrSimulator(healthy_chart())) as connection:
        spent = await probe.cost(probe.Server(caller, connection, "", Limits(), Clock()), "p2")
        gathering = await gathered(caller, "p2", connection)
    assert (spent.phase_1.requests, spent.phase_1.bytes) == (3, gathering.fhir_bytes)
    assert gathering.fhir_requests == 3


def test_the_cost_is_printed_as_requests_bytes_and_wall_time():
    clock = Clock()
    ehr = EhrSimulator(imnm_chart()).bend(clock.takes(0.01))
    text, _ = checked(ehr, clock=clock)
    last = flat(text.rpartition("One chart")[2])
    assert last.startswith("without prefetch costs this server 17 requests, ")
    assert "kB and 0.17 s; of a patient without IMNM 3 requests, " in last
    assert "and 0.03 s." in last


def test_a_server_that_wants_a_token_is_a_failure_that_says_how_to_give_one():
    text, works = checked(EhrSimulator(imnm_chart(), token=TOKEN))
    assert not works
    assert all(row(text, key) == "refused (HTTP 401: a token is needed)" for key in KEYS)
    assert "A token is needed: set IMNM_CDS_FHIR_TOKEN and name the client with --client." in flat(text)
    assert "One chart" not in text


def test_without_a_patient_a_server_that_wants_a_token_asks_for_the_token():
    text, works = checked(EhrSimulator(imnm_chart(), token=TOKEN), patient="")
    assert not works
    assert "A token is needed: set IMNM_CDS_FHIR_TOKEN" in flat(text)


def test_the_token_is_sent_to_the_one_client_that_is_named_and_never_printed(monkeypatch):
    monkeypatch.setenv("IMNM_CDS_FHIR_TOKEN", f"{TOKEN}\n")
    ehr = EhrSimulator(imnm_chart(), token=TOKEN)
    text, works = checked(ehr, only="hospital")
    assert works
    assert TOKEN not in text
    assert {request.headers["authorization"] for request in ehr.requests} == {f"Bearer {TOKEN}"}
    assert ehr.strays == []


def test_the_token_is_sent_to_nobody_where_no_client_is_named(monkeypatch):
    monkeypatch.setenv("IMNM_CDS_FHIR_TOKEN", TOKEN)
    ehr = EhrSimulator(imnm_chart())
    assert checked(ehr)[1]
    assert [request for request in ehr.requests if "authorization" in request.headers] == []


def test_a_token_that_is_not_accepted_is_said_to_be_and_not_shown(monkeypatch):
    monkeypatch.setenv("IMNM_CDS_FHIR_TOKEN", "another-token")
    text, works = checked(EhrSimulator(imnm_chart(), token=TOKEN), only="hospital")
    assert not works
    assert "The token in IMNM_CDS_FHIR_TOKEN is not accepted" in flat(text)
    assert "another-token" not in text


@pytest.mark.parametrize("token", ["two words", "a\nb", "schlüssel"])
def test_a_variable_that_holds_no_token_is_refused_without_repeating_it(monkeypatch, token):
    monkeypatch.setenv("IMNM_CDS_FHIR_TOKEN", token)
    with pytest.raises(UnusableInput, match="IMNM_CDS_FHIR_TOKEN") as refused:
        checked(EhrSimulator(imnm_chart()), only="hospital")
    assert token not in str(refused.value)


@pytest.mark.parametrize(("number", "name"), [("3.0.2", "STU3"), ("1.0.2", "DSTU2"), ("9.9", "9.9")])
def test_another_fhir_version_is_named_and_nothing_else_is_asked(number, name):
    ehr = EhrSimulator(imnm_chart(), fhir_version=number)
    text, works = checked(ehr)
    assert not works
    assert f"It speaks FHIR {name}, this client is configured for R4" in flat(text)
    assert ehr.asked() == [f"{BASE}/metadata"]


@pytest.mark.parametrize("fault", [sim.status(404), sim.changed(lambda _: {"resourceType": "X"})])
def test_a_server_that_does_not_tell_its_version_is_asked_but_does_not_pass(fault):
    text, works = checked(EhrSimulator(imnm_chart()).bend(fault, "metadata"))
    assert not works
    assert row(text, "reports").startswith("supported")
    assert "Its FHIR version is not known" in flat(text)


def test_a_server_that_does_not_answer_is_one_sentence():
    ehr = EhrSimulator(imnm_chart()).bend(sim.refuse_connection)
    text, works = checked(ehr)
    assert not works
    assert "It does not answer (no connection): check fhir_base" in flat(text)
    assert len(ehr.requests) == 1


def test_the_name_of_the_software_is_printed_as_plain_short_text():
    name = "[bold red]Evil[/] \x1b[31m\x07<b>FHIR</b>\u202e\n" + "x" * 500
    ehr = EhrSimulator(imnm_chart()).bend(
        sim.changed(lambda c: c.update(software={"name": name})), "metadata"
    )
    text, works = checked(ehr)
    assert works
    line = next(line for line in text.splitlines() if line.startswith("FHIR R4 (4.0.1), "))
    said = line.removeprefix("FHIR R4 (4.0.1), ")
    assert said.startswith("bold redEvil/ 31mbFHIR/b")
    assert harmless(name).startswith(said)
    assert len(harmless(name)) <= 60
    assert not set("\x1b\x07\u202e<>[]") & set(text)


@pytest.mark.parametrize("software", [5, {"name": ["a"]}, None])
def test_software_that_has_no_name_is_not_named(software):
    ehr = EhrSimulator(imnm_chart()).bend(sim.changed(lambda c: c.update(software=software)), "metadata")
    text, works = checked(ehr)
    assert works
    assert "FHIR R4 (4.0.1)\n" in text


def test_the_first_patient_that_the_server_names_is_taken_and_nothing_of_it_is_printed():
    secret = "a-patients-own-id"
    others = [patient(f"other-{n}") for n in range(40)]
    ehr = EhrSimulator([*imnm_chart(secret), *others])
    text, works = checked(ehr, patient="")
    assert works
    assert row(text, "enzymes") == "supported: 4 resources, 1 page"
    assert ehr.asked("Patient") == [f"{BASE}/Patient?_count=1", *[f"{BASE}/Patient/{secret}"] * 2]
    assert [url for url in ehr.asked() if "_getpages" in url] == []
    for private in (secret, "Example", "Eve ", "1970-05-17", "4000", "1:640"):
        assert private not in text


@pytest.mark.parametrize(
    "ehr",
    [
        EhrSimulator(),
        EhrSimulator([patient(5)]),
        EhrSimulator(imnm_chart()).bend(sim.status(403), "Patient"),
        EhrSimulator(imnm_chart()).bend(sim.status(400, "required"), "Patient"),
    ],
)
def test_where_no_patient_can_be_chosen_one_has_to_be_named(ehr):
    text, works = checked(ehr, patient="")
    assert not works
    assert "name one with --patient" in flat(text)
    assert ehr.asked("Observation") == []


def test_a_patient_that_is_not_there_is_said_to_be():
    text, works = checked(EhrSimulator(imnm_chart()), patient="somebody")
    assert not works
    assert "There is no such patient: name another with --patient." in flat(text)


@pytest.mark.parametrize("wrong", ["Patient/p1", "..", "p 1", "p1\n", "x" * 257])
def test_what_is_no_id_of_a_patient_is_refused_before_anything_is_asked(wrong):
    ehr = EhrSimulator(imnm_chart())
    with pytest.raises(UnusableInput, match="--patient"):
        checked(ehr, patient=wrong)
    assert ehr.requests == []


def test_a_client_without_a_server_is_one_line():
    text, works = checked(EhrSimulator(), Client(name="open"))
    assert works
    assert text.strip() == "open: no FHIR server: everything comes as prefetch"


def test_a_client_that_is_switched_off_is_checked_and_said_to_be_off():
    text, works = checked(EhrSimulator(imnm_chart()), Client(name="hospital", fhir_base=BASE, mode="off"))
    assert works
    assert f"hospital (mode off): {BASE}" in text
    assert "Everything is supported." in text


def test_one_server_that_fails_is_enough_and_the_others_are_still_checked():
    clients = (
        Client(name="broken", fhir_base=BASE, not_offered=frozenset({"orders"})),
        Client(name="open"),
    )
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(500), "Procedure"), *clients)
    assert not works
    assert "open: no FHIR server" in text


def test_only_the_named_client_is_checked():
    clients = (Client(name="hospital", fhir_base=BASE), Client(name="open"))
    text, _ = checked(EhrSimulator(imnm_chart()), *clients, only="hospital")
    assert "open:" not in text


def test_a_name_that_no_client_has_is_refused_with_those_there_are():
    with pytest.raises(UnusableInput, match="there are: hospital"):
        checked(EhrSimulator(), only="clinic")


def test_a_configuration_without_clients_is_refused():
    with pytest.raises(UnusableInput, match=r"\[\[client\]\]"):
        show_connections(open_console(io.StringIO()), Settings(), only="", patient="")


def test_what_is_printed_is_plain_text_of_80_columns():
    ehr = EhrSimulator(imnm_chart()).bend(sim.status(500), "Observation").bend(wants_category, "Condition")
    text, _ = checked(ehr)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def renamed(old, new):
    """A server that writes something else wherever `old` stands in what it answers."""
    return sim.changed(lambda answered: json.loads(json.dumps(answered).replace(old, new)))


def as_dstu2(bundle):
    for each in bundle.get("entry", []):
        each["resource"] |= {"patient": each["resource"].pop("subject"), "clinicalStatus": "active"}


EVERY_SUBJECT = '{"reference": "Patient/p1"}'


@pytest.mark.parametrize(
    ("kind", "fault", "said"),
    [
        (
            "Observation",
            renamed(EVERY_SUBJECT, '{"reference": "Patient/p2"}'),
            "Of 6 resources, not used for that, the subject is another patient: raise a ticket",
        ),
        (
            "Observation",
            renamed(EVERY_SUBJECT, '{"reference": "https://inside/fhir/Patient/p1"}'),
            "the subject is at another address: if that is this server too, add its base to also_known_as",
        ),
        (
            "Condition",
            renamed(EVERY_SUBJECT, "{}"),
            "Of 1 resource, not used for that, the subject is not named",
        ),
        ("Condition", sim.changed(as_dstu2), "What it sends is FHIR DSTU2, this client is configured for R4"),
    ],
)
def test_a_server_whose_answers_a_hook_call_would_not_use_does_not_pass(kind, fault, said):
    text, works = checked(EhrSimulator(imnm_chart()).bend(fault, kind))
    assert row(text, "conditions").startswith("supported")
    assert not works
    assert said in flat(text)
    assert "Everything is supported" not in text
    assert "inside" not in text


def test_a_server_on_which_nothing_but_the_patient_is_found_does_not_pass():
    text, works = checked(EhrSimulator([patient()]))
    assert not works
    assert "No query brought anything but the Patient" in flat(text)
    assert "name a patient who has some with --patient" in flat(text)


@pytest.mark.parametrize("named", ["", "..", "a/b"])
def test_a_patient_whose_id_is_none_is_not_asked_for(named):
    ehr = EhrSimulator(imnm_chart())
    ehr.bend(sim.changed(lambda bundle: bundle["entry"][0]["resource"].update(id=named)), "Patient", times=1)
    text, works = checked(ehr, patient="")
    assert not works
    assert "name one with --patient" in flat(text)
    assert len(ehr.asked("Patient")) == 1


def test_where_not_even_the_patient_is_found_nobody_is_told_to_call_the_rest_not_offered():
    text, works = checked(EhrSimulator(imnm_chart()).bend(sim.status(404)))
    assert not works
    assert "not_offered" not in text
    assert "check fhir_base" in flat(text)


def test_what_is_denied_is_asked_for_before_it_is_called_not_offered():
    text, _ = checked(EhrSimulator(imnm_chart()).bend(sim.status(403), "Procedure"))
    assert "This service needs read access to procedures. If it stays so, add not_offered" in flat(text)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (sim.status(404), "jwks_url gives no keys (HTTP 404), so every call would end with 401"),
        (sim.body(b"<html>"), "jwks_url gives no keys (is not JSON with one reading)"),
        (
            sim.body(key_set(jwk("ES256"))),
            "jwks_url gives no keys (has no key with a kid for the client's algorithms)",
        ),
        (sim.body(key_set(jwk("ES384"))), ""),
    ],
)
def test_keys_that_no_token_could_be_checked_with_do_not_pass(fault, said):
    for bases in (BASE, ()):
        text, works = checked(EhrSimulator(imnm_chart()).bend(fault, "keys"), proving(fhir_base=bases))
        assert works is not bool(said)
        assert said in flat(text)
        assert ("jwks_url" in text) is bool(said)


def finds_no_codes(request, response):
    """A server that wants a system beside each code, and finds nothing without one."""
    none = answer({"resourceType": "Bundle", "type": "searchset", "total": 0})
    return none if "code=" in unquote(str(request.url)) else response


def test_a_server_that_finds_nothing_by_code_and_has_it_does_not_pass():
    text, works = checked(EhrSimulator(imnm_chart()).bend(finds_no_codes, "Observation"))
    assert row(text, "enzymes") == "supported: 0 resources, 1 page"
    assert not works
    assert (
        "Its search by code does not find antibodies, ana, enzymes and its search by category does"
        in flat(text)
    )


def test_the_own_codes_of_a_site_are_looked_for_as_a_hook_call_does(tmp_path):
    (tmp_path / "site.csv").write_text("system,code,role\nurn:lab,CK1,ck\n")
    own = enzyme("CK1", "own", 900) | {"code": {"coding": [{"system": "urn:lab", "code": "CK1"}]}}
    client = Client(name="hospital", fhir_base=BASE, site_map=tmp_path / "site.csv")
    text, works = checked(EhrSimulator([patient(), own]), client)
    assert works
    assert row(text, "enzymes") == "supported: 0 resources, 1 page"
    assert "search by code" not in text
