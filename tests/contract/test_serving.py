"""`serve` as processes: how it starts, ends, takes a new configuration, and what one lost process leaves behind."""

import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import psutil
import pytest
import trustme

from cds_service.web.ingress.forked import Forked, Lifeline
from cds_service.web.serving import Address, _bound
from tests.support.charts import imnm_chart
from tests.support.nightly import count
from tests.support.service import SERVICE, call_body, prefetch_of
from tests.support.serving import OPEN, ROOT, eventually, free_port, open_config, served, start
from tests.support.tokens import proving_file

BODY = call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))


@pytest.fixture
def config(tmp_path):
    return open_config(tmp_path)


def cards(service, **members):
    response = service.post(SERVICE, BODY | members)
    assert response.status_code == 200, response.text
    return response.json()["cards"]


def reload(service, config, text):
    config.write_text(text)
    os.kill(service.pid, signal.SIGHUP)


def pids(service):
    return {worker.pid for worker in service.workers()}


class HalfACall:
    """A call whose end is held back; it is in flight once the service asks for its body."""

    def __init__(self, service):
        host, port = service.base.removeprefix("http://").split(":")
        self._body = json.dumps(BODY).encode()
        self._connection = socket.create_connection((host, int(port)))
        self._connection.settimeout(20)
        head = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Expect: 100-continue\r\nContent-Length: {len(self._body)}\r\n\r\n"
        self._connection.sendall(head.encode())
        assert self._connection.recv(100).startswith(b"HTTP/1.1 100")

    def finish(self):
        self._connection.sendall(self._body)
        return self

    def answer(self):
        with self._connection as connection:
            return connection.recv(100).partition(b"\r\n")[0]


def offering_h2c(service):
    """The first line of the answer to a call as Java's own HTTP client sends it: with the offer to go on in HTTP/2."""
    host, port = service.base.removeprefix("http://").split(":")
    body = json.dumps(BODY).encode()
    offer = {
        "Connection": "Upgrade, HTTP2-Settings",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    }
    offer |= {"Upgrade": "h2c", "Host": host, "Content-Type": "application/json", "Content-Length": len(body)}
    head = f"POST {SERVICE} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in offer.items())
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(20)
        connection.sendall(head.encode() + b"\r\n" + body)
        return connection.recv(100).partition(b"\r\n")[0]


def refuses(service):
    host, port = service.base.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_offer_to_upgrade_to_http_2_is_passed_over_and_the_call_is_answered(config):
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    with served(config) as service:
        response = httpx.post(service.base + SERVICE, json=BODY, headers=offer, timeout=20, trust_env=False)
    assert (response.status_code, len(response.json()["cards"])) == (200, 1)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("time_", range(count(1, 10)))
def test_sigterm_lets_calls_in_flight_finish_and_ends_with_status_0_within_10_seconds(config, workers, time_):
    with served(config, workers) as service:
        calls = [HalfACall(service) for _ in range(20)]
        begun = time.monotonic()
        service.process.terminate()
        eventually(lambda: refuses(service), "new calls are refused while it waits for these", seconds=1.5)
        finished = [call.finish() for call in calls]
        assert [call.answer() for call in finished] == [b"HTTP/1.1 200 OK"] * 20
        assert service.process.wait(10 - (time.monotonic() - begun)) == 0
        assert len(service.events("stopped")) == workers
        assert service.complaints() == []


def test_a_java_client_that_offers_http_2_is_answered_in_http_1_and_nobody_complains(config):
    with served(config) as service:
        assert offering_h2c(service) == b"HTTP/1.1 200 OK"
        assert service.complaints() == []


def test_sigterm_does_not_wait_for_a_client_that_says_nothing(config):
    with served(config) as service:
        host, port = service.base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(b"POST /cds-services HTTP/1.1\r\nHost:")
            service.process.terminate()
            assert service.process.wait(10) == 0


class TestAWrongStart:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("client = 1", "imnm.toml: client"),
            (f'store = "no/folder/feedback.sqlite"\n{OPEN}', "store: "),
            (f'services = ["other"]\n{OPEN}', "services: other is not in cds-hooks.json"),
        ],
    )
    def test_is_one_line_and_status_2(self, config, text, words):
        config.write_text(text)
        ended = _ended(config, free_port())
        assert (ended.returncode, ended.stdout) == (2, "")
        assert words in ended.stderr
        assert len(ended.stderr.splitlines()) == 1

    def test_at_a_port_that_is_taken_says_which(self, config):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = _ended(config, port)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"imnm-cds: cannot listen on 127.0.0.1:{port}: Address already in use\n"

    def test_at_an_address_that_is_none_says_which(self, config):
        ended = _ended(config, 8080, "--host", "256.0.0.1")
        assert ended.returncode == 2
        assert ended.stderr.startswith("imnm-cds: cannot listen on 256.0.0.1:8080: ")
        assert len(ended.stderr.splitlines()) == 1


def _ended(config, port, *more):
    command = [sys.executable, "-m", "cds_service", "serve", "--config", str(config), "--port", str(port)]
    return subprocess.run(
        [*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def steady_calls(service):
    """Call all the time, from another thread; gives what was answered."""
    answered, over = [], threading.Event()

    def calling():
        while not over.is_set():
            try:
                response = service.post(SERVICE, BODY)
                answered.append((response.status_code, len(response.json().get("cards", ()))))
            except Exception as error:  # noqa: BLE001 - whatever a client would see is a failure
                answered.append(repr(error))

    thread = threading.Thread(target=calling)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()


class TestSighup:
    @pytest.mark.parametrize(("workers", "mode"), [(1, "silent"), (2, "off")])
    def test_takes_a_new_mode_while_no_call_fails(self, config, workers, mode):
        with served(config, workers) as service:
            assert len(cards(service)) == 1
            before = pids(service)
            with steady_calls(service) as answered:
                reload(service, config, f'{OPEN}mode = "{mode}"\n')
                eventually(lambda: len(service.events("stopped")) == workers, "the old workers are gone")
                done = len(answered)
                eventually(lambda: len(answered) > done + 2, "calls go on")
            assert set(answered) == {(200, 1), (200, 0)}
            assert set(answered[done + 1 :]) == {(200, 0)}
            assert cards(service) == []
            assert pids(service).isdisjoint(before)
            assert service.events("hook-call")[-1]["mode"] == mode
            assert service.complaints() == []

    def test_with_a_broken_file_is_one_line_and_changes_nothing(self, config):
        with served(config, 2) as service:
            before = pids(service)
            reload(service, config, f"{OPEN}mode = 1\n")
            eventually(service.complaints, "it complains")
            assert len(cards(service)) == 1
            reload(service, config, f'{OPEN}mode = "silent"\n')
            eventually(lambda: len(service.events("stopped")) == 2, "the next good one is taken")
            assert cards(service) == []
            assert pids(service).isdisjoint(before)
            (line,) = service.complaints()
            assert line.startswith(f"imnm-cds: not reloaded: {config}: client[0].mode: ")

    def test_keeps_the_identity_of_cards_without_a_secret_in_the_environment(self, config):
        with served(config, 2) as service:
            ours = _stable(service)
            reload(service, config, f"{OPEN}quiet_low = false\n")
            eventually(lambda: len(service.events("stopped")) == 2, "the old workers are gone")
            assert _stable(service) == ours
        with served(config) as another:
            assert _stable(another) != ours


def _stable(service, calls=12):
    """The part of a card's uuid that stands for chart and state (60 bits), the same from every worker that answers."""
    uuids = {cards(service, hookInstance=f"instance-{number}")[0]["uuid"] for number in range(calls)}
    assert len(uuids) == calls
    (stable,) = {uuid[:18] for uuid in uuids}
    return stable


class TestALostProcess:
    def test_a_worker_that_dies_is_replaced_with_the_configuration_as_it_was_taken(self, config):
        """A file that is being edited, or broken, must neither come into force by accident nor end the service."""
        with served(config) as service:
            ours = _stable(service, 2)
            (worker,) = service.workers()
            config.write_text("client = 1")
            worker.suspend()  # dead to any question before it is dead
            time.sleep(1)
            worker.kill()
            eventually(lambda: len(service.events("started")) == 2, "another worker has started", seconds=30)
            assert _stable(service, 2) == ours
            assert service.complaints() == [
                f"imnm-cds: worker {worker.pid} has died (status -9); another takes its place"
            ]

    def test_one_that_cannot_be_replaced_for_now_does_not_end_those_that_answer(self, config, tmp_path):
        """A fault of the disk, and a worker that dies meanwhile: the hospital keeps the other one."""
        config.write_text(f'store = "feedback.sqlite"\n{OPEN}')
        with served(config, 2) as service:
            (tmp_path / "feedback.sqlite").write_text("no file of SQLite " * 100)
            lost, kept = service.workers()
            lost.kill()
            said = "a worker could not start: store: "
            eventually(lambda: said in " ".join(service.complaints()), "it could not be replaced", seconds=30)
            time.sleep(1)
            assert service.process.poll() is None
            assert kept.is_running()
            assert len(cards(service)) == 1
            (tmp_path / "feedback.sqlite").unlink()
            eventually(lambda: len(service.events("started")) == 3, "another worker has started", seconds=30)

    def test_a_system_without_a_process_left_ends_nothing(self, config, tmp_path):
        """Where one was lost for want of memory, there may be none for the next one either."""
        full = tmp_path / "full"
        (tmp_path / "sitecustomize.py").write_text(
            "import errno, os\nfork = os.fork\ndef none_left():\n"
            f"    if os.path.exists({str(full)!r}): raise OSError(errno.EAGAIN, 'none left')\n"
            "    return fork()\nos.fork = none_left\n"
        )
        with served(config, 2, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"}) as service:
            full.touch()
            os.kill(service.pid, signal.SIGHUP)
            eventually(lambda: "not reloaded" in " ".join(service.complaints()), "the old workers stay")
            service.workers()[0].kill()
            said = "imnm-cds: no worker could be started: none left; it is tried again"
            eventually(lambda: said in service.complaints(), "it could not be replaced")
            assert len(cards(service)) == 1
            full.unlink()
            eventually(lambda: len(service.events("started")) == 3, "another worker has started")

    @pytest.mark.parametrize("workers", [1, 2])
    def test_workers_do_not_outlive_the_process_that_started_them(self, config, workers):
        """An orphan would hold the port, so that nothing could be started in its place."""
        with served(config, workers) as service:
            port = int(service.base.rpartition(":")[2])
            there = service.workers()
            service.process.kill()
            service.process.wait()
            eventually(
                lambda: not any(worker.is_running() for worker in there), "the workers end", seconds=10
            )
            with served(config, workers, port) as again:
                assert len(cards(again)) == 1


class TestTheProcesses:
    """The workers are forked, which is safe and saves memory under conditions that these tests hold."""

    def test_the_supervisor_has_one_thread_and_no_file_of_the_store_at_any_fork(self, config, tmp_path):
        port = free_port()
        config.write_text(f'metrics_port = {port}\nstore = "kept.sqlite"\n{OPEN}')
        (tmp_path / "kept.sqlite").touch()
        with served(config) as service:
            supervisor = psutil.Process(service.pid)
            assert supervisor.num_threads() == 1
            assert not [file.path for file in supervisor.open_files() if "kept.sqlite" in file.path]
            _, worker = service.workers()  # the first one sums the metrics
            assert [file.path for file in worker.open_files() if file.path.endswith("kept.sqlite")]
            reload(service, config, config.read_text() + "quiet_low = false\n")
            eventually(lambda: service.events("stopped"), "the worker is replaced")
            assert supervisor.num_threads() == 1
            assert not [file.path for file in supervisor.open_files() if "kept.sqlite" in file.path]

    def test_a_process_with_several_threads_is_not_forked(self):
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        try:
            with pytest.raises(AssertionError, match="several threads"):
                Forked(Lifeline(), print).start()
        finally:
            over.set()
            thread.join()

    def test_one_worker_and_its_supervisor_have_110_mib_at_most(self, config):
        with served(config) as service:
            cards(service)
            processes = [psutil.Process(service.pid), *service.workers()]
            assert sum(process.memory_full_info().pss for process in processes) <= 110 * 2**20

    def test_the_collector_passes_over_what_was_there_at_the_start(self):
        """Of the supervisor, or each worker would copy it; and of the worker, where it would be looked at again and again."""
        script = (
            "import gc; from cds_service.settings.client import Client; from cds_service.settings.service import Settings\n"
            "from cds_service.web.app import check; from cds_service.web.serving import application\n"
            "checked = check(Settings(client=(Client(name='open'),)))\n"
            "app = application(checked)\n"
            "print(gc.isenabled(), gc.get_freeze_count() > 50_000, gc.collect())"
        )
        said = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert said.stdout.split() == ["True", "True", "0"]

    def test_sigterm_while_a_worker_is_being_forked_ends_both(self, config, tmp_path):
        """A signal must not get lost between the handlers of the supervisor and those of the worker."""
        slowly = "import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(1))\n"
        (tmp_path / "sitecustomize.py").write_text(slowly)
        service = start(config, free_port(), environment={"PYTHONPATH": str(tmp_path)})
        try:
            eventually(service.workers, "there is a worker")
            begun = time.monotonic()
            service.process.terminate()
            assert service.process.wait(20) == 0
            assert time.monotonic() - begun < 5
            assert service.complaints() == []
        finally:
            service.kill()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_ctrl_c_reaches_them_all_and_nobody_complains(self, config, workers):
        with served(config, workers) as service:
            os.killpg(service.pid, signal.SIGINT)
            assert service.process.wait(10) == 0
            assert len(service.events("stopped")) == workers
            assert service.complaints() == []


class TestMetrics:
    def test_sum_up_what_all_workers_did_and_name_no_patient(self, config):
        port = free_port()
        config.write_text(f"metrics_port = {port}\n{OPEN}")

        def metrics():
            answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20, trust_env=False)
            return [line for line in answer.text.splitlines() if not line.startswith("#")]

        def hook_calls():
            found = [line for line in metrics() if line.startswith('imnm_cds_requests_total{client="open"')]
            return sum(float(line.rpartition(" ")[2]) for line in found)

        with served(config, 2) as service:
            for number in range(10):
                context = {"userId": "Practitioner/zqcanary-user", "patientId": "p1"}
                cards(service, context=context, hookInstance=f"zqcanary-{number}")
            assert hook_calls() == 10
            said = "\n".join(metrics())
            assert "zqcanary" not in said
            assert 'imnm_cds_request_seconds_count{event="hook-call"} 10.0' in said
            assert "imnm_cds_events_lost_total 0.0" in said

    @pytest.fixture
    def port(self, config):
        port = free_port()
        config.write_text(f"metrics_port = {port}\n{OPEN}")
        return port

    def test_leave_no_folder_behind_where_the_service_is_told_to_end_while_it_starts(
        self, config, port, tmp_path
    ):
        service = start(config, free_port())
        try:
            eventually(lambda: list(tmp_path.glob("imnm-cds-metrics-*")), "there is a folder")
            service.process.terminate()
            assert service.process.wait(10) == 0
            assert not list(tmp_path.glob("imnm-cds-metrics-*"))
        finally:
            service.kill()

    def test_stay_where_they_are_at_a_reload_and_one_line_says_so(self, config, port):
        with served(config) as service:
            reload(service, config, f"metrics_port = {free_port()}\n{OPEN}")
            eventually(lambda: service.events("stopped"), "the worker is replaced")
            (line,) = service.complaints()
            assert line == (
                "imnm-cds: metrics_port and metrics_host stay as they were at the start: a change takes a restart"
            )
            cards(service)
            said = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20, trust_env=False).text
            assert 'imnm_cds_request_seconds_count{event="hook-call"} 1.0' in said

    def test_that_cannot_be_written_keep_no_worker_from_answering(self, config, port, tmp_path):
        with served(config) as service:
            (folder,) = tmp_path.glob("imnm-cds-metrics-*")
            for file in folder.iterdir():  # with holes in it, a full disk would end the worker
                assert file.stat().st_blocks * 512 >= file.stat().st_size
            shutil.rmtree(folder)
            reload(service, config, config.read_text())
            eventually(lambda: service.events("stopped"), "the worker is replaced", seconds=20)
            assert service.complaints() == [
                "imnm-cds: a worker is not in the metrics: No such file or directory"
            ]
            assert len(cards(service)) == 1

    def test_say_nothing_of_a_caller_that_goes_away_and_wait_for_none_that_is_silent(self, config, port):
        with served(config) as service:
            with socket.create_connection(("127.0.0.1", port)) as leaving:
                leaving.sendall(b"GET /metrics")
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with socket.create_connection(("127.0.0.1", port)) as silent:
                silent.settimeout(9)
                assert silent.recv(10) == b""
            assert service.complaints() == []

    def test_are_not_served_unless_they_are_asked_for(self, config):
        with served(config) as service:
            assert httpx.get(f"{service.base}/metrics", trust_env=False).status_code == 404


def certified(folder):
    """Write a certificate for `localhost` and its key; returns the options that name them, and a context that trusts them."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = folder / "chain.pem", folder / "key.pem"
    key.write_bytes(certificate.private_key_pem.bytes())
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return ["--certfile", str(chain), "--keyfile", str(key)], context


class TestTls:
    @pytest.fixture
    def secure(self, config, tmp_path):
        more, context = certified(tmp_path)
        port = free_port()
        service = start(config, port, more=more)
        try:
            eventually(lambda: service.events("started"), "it has started")
            yield f"https://localhost:{port}", context, port
        finally:
            service.kill()

    @contextmanager
    def renewed(self, config, folder):
        """A service whose certificate was renewed, and the new key is still to be written; `answers` by the old one."""
        more, context = certified(folder)
        port = free_port()
        service = start(config, port, more=more)

        def answers():  # by a handshake of its own
            with httpx.Client(verify=context, trust_env=False, timeout=20) as client:
                return reachable(client, f"https://localhost:{port}")

        try:
            eventually(answers, "it answers")
            key = (folder / "key.pem").read_bytes()
            certified(folder)
            (folder / "key.pem").write_bytes(key)
            yield service, answers
        finally:
            service.kill()

    def test_with_a_certificate_that_has_another_key_is_not_reloaded_and_one_line_says_so(
        self, config, tmp_path
    ):
        with self.renewed(config, tmp_path) as (service, answers):
            os.kill(service.pid, signal.SIGHUP)
            eventually(service.complaints, "somebody complains")
            (line,) = service.complaints()
            assert line.startswith("imnm-cds: not reloaded: --certfile ")
            assert answers()

    def test_a_worker_that_dies_is_replaced_with_the_certificate_as_it_was_taken(self, config, tmp_path):
        with self.renewed(config, tmp_path) as (service, answers):
            before = pids(service)
            os.kill(min(before), signal.SIGKILL)
            eventually(lambda: pids(service) - before, "another takes its place")
            eventually(answers, "it answers")

    def test_takes_a_renewed_certificate_with_a_reload(self, config, tmp_path):
        with self.renewed(config, tmp_path) as (service, answers):
            certified(tmp_path)
            os.kill(service.pid, signal.SIGHUP)
            eventually(lambda: service.events("stopped"), "the worker is replaced")
            assert not answers()  # of an authority that this client does not know
            assert service.complaints() == []

    def test_is_spoken_by_the_service_itself(self, secure):
        base, context, _ = secure
        with httpx.Client(verify=context, trust_env=False, timeout=20) as client:
            eventually(lambda: reachable(client, base), "it answers")
            assert len(client.post(base + SERVICE, json=BODY).json()["cards"]) == 1

    def test_ends_a_handshake_that_does_not_go_on(self, secure):
        base, context, port = secure
        with httpx.Client(verify=context, trust_env=False, timeout=20) as client:
            eventually(lambda: reachable(client, base), "it answers")
            with socket.create_connection(("127.0.0.1", port)) as silent:
                silent.settimeout(9)
                assert silent.recv(10) == b""
            assert client.get(f"{base}/health").status_code == 200


def reachable(client, base):
    try:
        return client.get(f"{base}/health").status_code == 200
    except httpx.TransportError:
        return False


class TestThePeer:
    def peer(self, config, text):
        with served(proving_file(config.parent, text)) as service:
            headers = {"X-Forwarded-For": "203.0.113.7"}
            httpx.get(f"{service.base}/health", headers=headers, trust_env=False)
            peers = lambda: [e["peer"] for e in service.events("request") if e["target"] == "health"]  # noqa: E731
            eventually(peers, "its event is there")
            return peers()

    def test_is_the_address_of_the_connection_whatever_a_header_says(self, config):
        assert self.peer(config, "") == ["127.0.0.1"]

    def test_is_what_a_trusted_proxy_says(self, config):
        assert self.peer(config, 'trusted_proxies = ["127.0.0.0/8"]\n') == ["203.0.113.7"]

    def test_is_not_what_another_proxy_says(self, config):
        assert self.peer(config, 'trusted_proxies = ["192.0.2.1"]\n') == ["127.0.0.1"]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_that_hang_are_killed_after_the_promised_time_however_many_they_are(config, workers):
    with served(config, workers) as service:
        hanging = service.workers()
        for worker in hanging:
            worker.suspend()
        begun = time.monotonic()
        service.process.terminate()
        assert service.process.wait(30) == 0
        assert time.monotonic() - begun < 10
        assert not any(worker.is_running() for worker in hanging)
        assert sorted(service.complaints()) == sorted(
            f"imnm-cds: worker {worker.pid} did not end in time and was killed" for worker in hanging
        )


def test_an_answer_goes_out_at_once_even_if_its_head_is_not_yet_acknowledged():
    """Without TCP_NODELAY each answer took 40 ms longer: asyncio sets it only on sockets that name their protocol."""
    with _bound(Address("127.0.0.1", 0)) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
