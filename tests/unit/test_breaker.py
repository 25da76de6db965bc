"""A server that fails in a row is left alone for a while, then asked once; a client's minute has an end."""

import pytest

from cds_service.fhir.breaker import Breaker, Quota


def broken(failures: int = 3, seconds: float = 5) -> Breaker:
    breaker = Breaker(failures, seconds)
    for _ in range(failures):
        assert breaker.lets_through(0)
        breaker.failed(0)
    return breaker


@pytest.mark.parametrize(("failures", "open_"), [(2, True), (3, False), (4, False)])
def test_so_many_failures_in_a_row_and_no_fewer_stop_the_asking(failures, open_):
    breaker = Breaker(3, 5)
    for _ in range(failures):
        breaker.failed(0)
    assert breaker.lets_through(1) is open_


def test_an_answer_between_failures_counts_them_anew():
    breaker = Breaker(2, 5)
    for _ in range(10):
        breaker.failed(0)
        breaker.answered()
    assert breaker.lets_through(0)


@pytest.mark.parametrize(("now", "through"), [(4.9, False), (5, True), (500, True)])
def test_the_server_rests_for_its_seconds(now, through):
    assert broken(seconds=5).lets_through(now) is through


def test_after_the_rest_one_request_goes_and_no_second_beside_it():
    breaker = broken()
    assert [breaker.lets_through(6) for _ in range(3)] == [True, False, False]


def test_the_answer_to_that_one_opens_the_way_for_all():
    breaker = broken()
    breaker.lets_through(6)
    breaker.answered()
    assert [breaker.lets_through(6) for _ in range(3)] == [True] * 3


def test_its_failure_begins_another_rest():
    breaker = broken()
    breaker.lets_through(6)
    breaker.failed(7)
    assert [breaker.lets_through(now) for now in (8, 11.9, 12)] == [False, False, True]


def test_giving_it_up_lets_another_try_at_once():
    breaker = broken()
    breaker.lets_through(6)
    breaker.given_up()
    assert [breaker.lets_through(6) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_minute_takes_so_many_requests(most):
    quota = Quota(most, 10)
    assert [quota.takes_request(0) for _ in range(most + 2)] == [True] * most + [False] * 2
    assert not quota.takes_request(59.9)
    assert quota.takes_request(60)


@pytest.mark.parametrize(("number", "room"), [(9, True), (10, False), (11, False)])
def test_a_minute_takes_so_many_bytes(number, room):
    quota = Quota(100, 10)
    quota.takes_request(0)
    quota.takes_bytes(number)
    assert quota.takes_request(1) is room
    assert quota.takes_request(60)
