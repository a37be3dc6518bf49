"""The same table by any way to run a series: serially, by Dask, on a cluster that loses a worker.

The scheduler and its workers are processes of their own, started as on any cluster.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exports.cohort_files import NAMES
from template_designer.cohort.cases import find_cases
from template_designer.cohort.running import PLAN_ONLY, Job
from template_designer.cohort.scheduling import (
    cores,
    local_cluster,
    remote_cluster,
    run_on,
    run_serial,
)
from template_designer.cohort.series import do_work, find_work
from template_designer.errors import CaseError
from tests.cohort.phantoms import write_case
from tests.paths import ROOT

distributed = pytest.importorskip("distributed", reason="Dask comes with the extra 'cohort'")

PATIENCE_S = 240.0
"""A guard against waiting for ever, not a claim: the cores may be busy with other tests."""

COUNT = 4
MOVES = 6_000  # a second a case: long enough to be killed in


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    base = tmp_path_factory.mktemp("cases")
    for n in range(COUNT):
        write_case(base / f"P{n}", f"P{n}", radius_mm=7.0 + 0.4 * n, moves=MOVES)
    (base / "P9").mkdir()
    (base / "P9" / "case.toml").write_text('id = "P9"\n')
    return [base / f"P{n}" for n in (*range(COUNT), 9)]


@pytest.fixture(scope="module")
def serial(cases, tmp_path_factory):
    """Every file of the series, done one after the other."""
    folder = tmp_path_factory.mktemp("serial") / "out"
    do_work(work_of(cases, folder), run_serial)
    return {name: (folder / name).read_bytes() for name in NAMES}


def work_of(cases, folder):
    return find_work(find_cases(cases), folder, files=PLAN_ONLY)


def check_same(folder, serial):
    for name, content in serial.items():
        assert (folder / name).read_bytes() == content, name


@contextmanager
def process(*arguments, log: Path) -> Iterator[subprocess.Popen]:
    """A process of ``python -m distributed.cli...`` that is ended whatever happens."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """A scheduler on a free port; its address."""
    told = folder / "scheduler.json"
    with process(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", told, log=folder / "scheduler.log",
    ):  # fmt: skip
        address = wait_for(lambda: told.exists() and json.loads(told.read_text())["address"])
        yield address


def worker(address: str, name: str, folder: Path):
    """A worker without a nanny: its process is the one that plans."""
    return process(
        "distributed.cli.dask_worker", address, "--name", name, "--nthreads", "1", "--no-nanny",
        "--no-dashboard", "--local-directory", folder / name, log=folder / f"{name}.log",
    )  # fmt: skip


def wait_for(question):
    """What the question answers once it is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if answer := question():
                return answer
        except (OSError, ValueError, KeyError):  # a file that is half written
            pass
        time.sleep(0.05)
    raise AssertionError("nothing happened in time")


def under_way(client, folder: Path) -> dict[str, str]:
    """Which worker is in the middle of which case: it has begun to fill its folder."""
    names = {addr: w["name"] for addr, w in client.scheduler_info(n_workers=-1)["workers"].items()}
    found = {}
    for addr, keys in client.processing().items():
        for key in keys:
            case = key.split("-")[1]
            if list((folder / "cases").glob(f".{case}.*.tmp")):
                found[names[addr]] = case
    return found


def test_a_worker_killed_in_the_middle_changes_nothing(cases, serial, tmp_path):
    out = tmp_path / "out"
    finished, failed = [], []
    with scheduler(tmp_path) as address, worker(address, "one", tmp_path) as one, worker(
        address, "two", tmp_path
    ) as two, distributed.Client(address, set_as_default=False) as watcher:  # fmt: skip
        watcher.wait_for_workers(2, timeout=PATIENCE_S)

        def series():
            try:
                with remote_cluster(address) as client:
                    work = work_of(cases, out)
                    do_work(work, lambda jobs, done: run_on(client, jobs, done), finished.append)
            except BaseException as error:  # shown by the test, not lost in a thread
                failed.append(error)

        thread = threading.Thread(target=series)
        thread.start()
        # the first case is over, so that this is the middle
        wait_for(lambda: failed or finished)
        assert not failed
        name, case = next(iter(wait_for(lambda: under_way(watcher, out)).items()))
        victim = {"one": one, "two": two}[name]
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        left = list((out / "cases").glob(f".{case}.*.tmp"))
        done_already = (out / "cases" / case / "case.json").exists()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert not failed, failed
    assert victim.returncode == -signal.SIGKILL
    assert left  # it was in the middle of that case,
    assert not done_already  # which another worker then did
    assert sorted(outcome.id for outcome in finished) == [path.name for path in sorted(cases)]
    check_same(out, serial)
    assert not list((out / "cases").glob(".*"))


def test_dask_on_this_machine_gives_the_same_bytes(cases, serial, tmp_path):
    out = tmp_path / "out"
    with local_cluster(2) as client:
        threads = client.run(lambda: os.environ["NUMBA_NUM_THREADS"])
        assert list(threads.values()) == [str(max(1, cores() // 2))] * 2
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        do_work(work_of(cases, out), lambda jobs, done: run_on(client, jobs, done))
    check_same(out, serial)


def test_a_series_that_was_broken_off_goes_on(cases, serial, tmp_path):
    """The command dies after two cases; the next one does the rest, by another way."""
    out = tmp_path / "out"

    class Stopped(Exception):
        pass

    seen = []

    def stop_after_two(outcome):
        seen.append(outcome.id)
        if len(seen) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        do_work(work_of(cases, out), run_serial, stop_after_two)
    assert not (out / "cohort.csv").exists()
    rest = work_of(cases, out)
    assert {outcome.id for outcome in rest.kept} == set(seen)
    with local_cluster(1) as client:
        do_work(rest, lambda jobs, done: run_on(client, jobs, done))
    check_same(out, serial)


def end_this_process(job: Job):
    os._exit(1)


def test_a_case_that_kills_every_worker_is_recorded(cases, tmp_path, monkeypatch):
    """What the system does to a process that wants too much memory."""
    from template_designer.cohort import scheduling

    monkeypatch.setattr(scheduling, "run_case", end_this_process)
    out, found = tmp_path / "out", []
    with local_cluster(2) as client:
        do_work(
            work_of(cases[:1], out), lambda jobs, done: run_on(client, jobs, done), found.append
        )
    (outcome,) = found
    assert outcome.exit_code == 70
    assert "memory" in outcome.error
    assert (out / "cases" / "P0" / "case.json").exists()
    assert "memory" in (out / "cohort.csv").read_text()


def test_no_scheduler_and_no_worker_are_one_clear_error_each(tmp_path, monkeypatch):
    from template_designer.cohort import scheduling

    monkeypatch.setattr(scheduling, "PATIENCE_S", 2.0)
    with (
        pytest.raises(CaseError, match="no scheduler answers"),
        remote_cluster("tcp://127.0.0.1:1"),
    ):
        pass
    with (
        scheduler(tmp_path) as address,
        pytest.raises(CaseError, match="no worker"),
        remote_cluster(address),
    ):
        pass
    with pytest.raises(CaseError, match="no scheduler answers"), remote_cluster("nonsense://x"):
        pass
