import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect

from cds_service.errors import BodyTooLargeError, InvalidRequestError, TooSlowError, UnsupportedBodyError
from cds_service.json_text import too_deep
from cds_service.settings.limits import Limits
from cds_service.web.body import HookRequest, check_headers, read, receive

LIMITS = Limits()
JSON = {"content-type": "application/json"}
VALID = {
    "hook": "patient-view",
    "hookInstance": "d63a2834-b45a-4616-8a5e-c08353762b85",
    "fhirServer": "https://ehr.example/fhir",
    "context": {"userId": "Practitioner/1", "patientId": "p1"},
}


def request(**members: object):
    body = {k: v for k, v in (VALID | members).items() if v is not ...}
    return read(json.dumps(body).encode(), "patient-view", LIMITS)


def given(read_: HookRequest) -> dict[str, bytes]:
    return {key: bytes(value) for key, value in read_.prefetch.items()}


def refusal(body: bytes | dict) -> str:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises((InvalidRequestError, BodyTooLargeError)) as caught:
        read(text, "patient-view", LIMITS)
    return caught.value.message


def test_a_call_is_read_and_its_prefetch_stays_raw():
    read_ = request(prefetch={"patient": {"resourceType": "Patient", "id": "p1"}, "ana": None})
    assert (read_.patient_id, read_.user_id, read_.fhir_server) == (
        "p1",
        "Practitioner/1",
        "https://ehr.example/fhir",
    )
    assert given(read_) == {"patient": b'{"resourceType": "Patient", "id": "p1"}', "ana": b"null"}


def test_a_request_never_shows_its_token_or_its_prefetch():
    read_ = request(
        fhirAuthorization={"access_token": "secret", "token_type": "Bearer"}, prefetch={"x": {"name": "Eve"}}
    )
    assert read_.token == "secret"
    assert "secret" not in repr(read_)
    assert "Eve" not in repr(read_)


@pytest.mark.parametrize(
    "wrong", [None, "", "Encounter/1", "..", "a b", "a\n", "x" * 65, "ä", 7, True, ["e"], {}]
)
def test_an_encounter_is_named_by_an_id_that_fhir_allows_or_not_at_all(wrong):
    assert request().encounter == ""
    assert request(context=VALID["context"] | {"encounterId": "e-1.2"}).encounter == "Encounter/e-1.2"
    assert request(context=VALID["context"] | {"encounterId": wrong}).encounter == ""


def test_members_that_nobody_knows_are_ignored():
    context = VALID["context"] | {"encounterId": "e1", "more": {"x": [1]}}
    assert request(context=context, extension={"com.epic.x": "1"}, other=None).patient_id == "p1"


@pytest.mark.parametrize("name", ["fhirServer", "fhirAuthorization", "prefetch"])
def test_null_for_an_optional_member_is_as_good_as_leaving_it_out(name):
    assert request(**{name: None}).token == ""


def test_a_hook_instance_need_not_be_a_uuid():
    assert request(hookInstance="call 17").instance == "call 17"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hook": ...}, "hook is missing"),
        ({"hook": "order-sign"}, "hook must be patient-view"),
        ({"hook": 7}, "hook has the wrong type"),
        ({"hookInstance": ...}, "hookInstance is missing"),
        ({"hookInstance": ""}, "hookInstance is empty"),
        ({"context": ...}, "context is missing"),
        ({"context": {"userId": "Practitioner/1"}}, "context.patientId is missing"),
        ({"context": {"patientId": "p1"}}, "context.userId is missing"),
        ({"context": {"patientId": 1, "userId": "Practitioner/1"}}, "context.patientId has the wrong type"),
        ({"fhirServer": ""}, "fhirServer is empty"),
        ({"fhirServer": []}, "fhirServer has the wrong type"),
        ({"prefetch": []}, "prefetch has the wrong type"),
        ({"prefetch": "x"}, "prefetch has the wrong type"),
        ({"fhirAuthorization": "x"}, "fhirAuthorization has the wrong type"),
    ],
)
def test_a_wrong_member_is_named_and_its_value_is_not(change, message):
    assert refusal({k: v for k, v in (VALID | change).items() if v is not ...}) == message


@pytest.mark.parametrize(
    "patient_id", ["", "Patient/p1", "a/b", "..", ".", "a b", "a\nb", "a\\b", "x" * 257, "a\u202eb"]
)
def test_an_id_that_is_none_is_refused(patient_id):
    assert "patientId" in refusal(VALID | {"context": {"userId": "Practitioner/1", "patientId": patient_id}})


@pytest.mark.parametrize(
    "patient_id", ["p,1", "eJW3Cy0gsPSma08Z6jFDVDFZqbJqmUZ63rNfdLxd0GiU3", "ü|1", "x" * 255, "x" * 256]
)
def test_an_id_is_opaque_text(patient_id):
    assert request(context={"userId": "Practitioner/1", "patientId": patient_id}).patient_id == patient_id


@pytest.mark.parametrize("user", ["", "1", "Practitioner/", "Device/1", "Practitioner/1/2"])
def test_a_user_must_be_a_person_with_an_id(user):
    assert "userId" in refusal(VALID | {"context": {"userId": user, "patientId": "p1"}})


class TestTheToken:
    def test_goes_with_the_server_it_came_for(self):
        assert "fhirServer" in refusal(
            {k: v for k, v in VALID.items() if k != "fhirServer"}
            | {"fhirAuthorization": {"access_token": "t", "token_type": "Bearer"}}
        )

    def test_is_for_the_patient_of_the_chart(self):
        given = {"access_token": "t", "token_type": "Bearer", "patient": "p2"}
        assert "patient" in refusal(VALID | {"fhirAuthorization": given})
        assert request(fhirAuthorization=given | {"patient": "p1"}).token == "t"

    def test_may_be_named_bearer_in_any_case(self):
        assert request(fhirAuthorization={"access_token": "t", "token_type": "bearer"}).token == "t"

    @pytest.mark.parametrize(
        "given",
        [{}, {"access_token": "t"}, {"token_type": "Bearer"}, {"access_token": None, "token_type": "Bearer"}]
        + [{"access_token": t, "token_type": "Bearer"} for t in ("", "a b", "a\r\nX-Evil: 1", "tökén")]
        + [{"access_token": "t", "token_type": "DPoP"}],
    )
    def test_is_left_out_where_it_cannot_be_used(self, given):
        read_ = request(fhirAuthorization=given)
        assert (read_.token, read_.token_ignored) == ("", True)


class TestStrictJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nothing",
            b"[]",
            b'{"hook":',
            b"\xef\xbb\xbf{}",
            json.dumps(VALID).encode("utf-16"),
            json.dumps(VALID).encode("utf-32"),
            json.dumps(VALID).encode()[:-1] + b',"prefetch":{"a":"\xff"}}',
            json.dumps(VALID).encode()[:-1] + b',"prefetch":{"a":NaN}}',
            json.dumps(VALID).encode()[:-1] + b',"other":Infinity}',
            json.dumps(VALID).encode()[:-1] + b',"other":' + b"1" * 5000 + b"}",
            json.dumps(VALID).encode()[:-1] + b',"prefetch":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            json.dumps(VALID).encode()[:-1] + b',"other":"\\ud800"}',
        ],
    )
    def test_what_is_not_json_in_utf_8_is_refused(self, body):
        assert refusal(body)

    def test_a_name_given_twice_in_the_envelope_is_refused(self):
        text = json.dumps(VALID).encode()[:-1]
        assert refusal(text + b',"hook":"patient-view"}') == "the body names a member twice"
        assert refusal(text + b',"prefetch":{"a":1},"prefetch":{}}') == "the body names a member twice"
        assert refusal(text.replace(b'"patientId"', b'"patientId": "x", "patientId"') + b"}")

    def test_a_name_given_twice_in_the_prefetch_is_left_to_its_one_reader(self):
        text = json.dumps(VALID).encode()[:-1] + b',"prefetch":{"patient":{"id":"a","id":"b"}}}'
        assert given(read(text, "patient-view", LIMITS)) == {"patient": b'{"id":"a","id":"b"}'}

    @pytest.mark.parametrize(
        "where", ['"x\\u0000": 1', '"x": "\\u0000"', '"x": [["a", "\\u0000"]]', '"x": {"y": "\\u0000"}']
    )
    def test_nul_in_the_envelope_is_refused(self, where):
        text = json.dumps(VALID)[:-1] + f", {where}}}"
        assert refusal(text.encode()) == "the body contains the character NUL"

    @pytest.mark.parametrize(
        ("backslashes", "fine"), [(1, False), (2, True), (3, False), (4, True), (5, False)]
    )
    def test_what_looks_like_nul_behind_an_escaped_backslash_is_none(self, backslashes, fine):
        text = json.dumps(VALID)[:-1] + ', "x": "a' + "\\" * backslashes + 'u0000"}'
        assert ("\0" not in json.loads(text)["x"]) is fine
        if fine:
            assert read(text.encode(), "patient-view", LIMITS).patient_id == "p1"
        else:
            assert refusal(text.encode()) == "the body contains the character NUL"

    @pytest.mark.parametrize(("depth", "fine"), [(63, True), (64, True), (65, False)])
    def test_the_envelope_may_be_64_levels_deep(self, depth, fine):
        text = json.dumps(VALID)[:-1] + ', "x": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
        if fine:
            assert read(text.encode(), "patient-view", LIMITS).patient_id == "p1"
        else:
            assert refusal(text.encode()) == "the body is nested too deeply"

    @pytest.mark.parametrize(("extra", "fine"), [(-1, True), (0, True), (1, False)])
    def test_the_envelope_may_have_256_kib_beside_any_prefetch(self, extra, fine):
        head = json.dumps(VALID)[:-1] + ', "prefetch": {"ana": [' + "1," * 200_000 + '1]}, "x": "'
        size = (
            LIMITS.envelope_bytes - (len(json.dumps(VALID)) - 1 + len(', "prefetch": null, "x": ""}')) + extra
        )
        text = (head + "x" * size + '"}').encode()
        if fine:
            assert read(text, "patient-view", LIMITS).patient_id == "p1"
        else:
            assert "262144" in refusal(text)


@pytest.mark.parametrize(
    ("text", "levels", "deep"),
    [
        (b"[[1]]", 2, False),
        (b"[[1]]", 1, True),
        (b'{"a":[{"b":1}]}', 3, False),
        (b'{"a":[{"b":1}]}', 2, True),
        (b'["[[[[", "a\\"[[["]', 1, False),
        (b"[" + b"[]," * 99 + b"[]]", 2, False),
    ],
)
def test_depth_counts_brackets_but_not_those_in_strings(text, levels, deep):
    assert too_deep(text, levels) is deep


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/fhir+json",
    ],
)
def test_json_in_utf_8_is_welcome(content_type):
    check_headers({"content-type": content_type, "content-encoding": "identity"}, LIMITS.body_bytes)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=utf-16"},
        JSON | {"content-encoding": "gzip"},
    ],
)
def test_anything_else_is_unsupported(headers):
    with pytest.raises(UnsupportedBodyError):
        check_headers(headers, LIMITS.body_bytes)


@pytest.mark.parametrize(("length", "fine"), [(-1, True), (0, True), (1, False), (10**30, False)])
def test_a_body_that_says_it_is_too_long_is_not_read(length, fine):
    headers = JSON | {"content-length": str(LIMITS.body_bytes + length)}
    if fine:
        check_headers(headers, LIMITS.body_bytes)
    else:
        with pytest.raises(BodyTooLargeError, match="16777216"):
            check_headers(headers, LIMITS.body_bytes)


async def _chunks(*parts: bytes, pause: float = 0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


@pytest.mark.parametrize(("extra", "fine"), [(-1, True), (0, True), (1, False)])
async def test_a_body_may_have_just_so_many_bytes(extra, fine):
    limits = Limits(body_bytes=10)
    deadline = asyncio.get_running_loop().time() + 5
    chunks = _chunks(b"x" * 5, b"x" * (5 + extra))
    if fine:
        assert len(await receive(chunks, limits.body_bytes, deadline)) == 10 + extra
    else:
        with pytest.raises(BodyTooLargeError):
            await receive(chunks, limits.body_bytes, deadline)


async def test_a_caller_who_hangs_up_is_no_crash():
    async def cut() -> AsyncIterator[bytes]:
        yield b"{"
        raise ClientDisconnect

    with pytest.raises(InvalidRequestError, match="did not arrive"):
        await receive(cut(), LIMITS.body_bytes, asyncio.get_running_loop().time() + 1)


async def test_a_body_that_drips_is_not_waited_for():
    with pytest.raises(TooSlowError):
        await receive(
            _chunks(b"{", b"}", pause=10), LIMITS.body_bytes, asyncio.get_running_loop().time() + 0.02
        )
