"""Children of the stack that die: begun again, or told of when they never start."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from deployments.supervisor import Part, PartFailed, Supervisor, last_line, restart_delay


def test_a_child_is_begun_again_at_once_and_then_later_and_later() -> None:
    assert [restart_delay(deaths) for deaths in (1, 2, 3, 4, 5, 9)] == [0, 1, 2, 5, 10, 10]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", ""),
        ("hello\n\n", "hello"),
        ("Traceback\n  line 1\nValueError: no such port\nStartup failed. Exiting.\n", "ValueError: no such port"),
        ('{"level":"error","event":"it failed","error":"OSError: gone"}\n{"event":"Exiting."}\n', "OSError: gone"),
        ('{"event":"Traceback:\\n  line 1\\nValueError: no such port\\n"}\n[1]\n', "ValueError: no such port"),
    ],
)
def test_the_last_that_a_part_said_is_its_reason(said: str, told: str, tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text(said)
    assert last_line(log) == told


async def given_up(supervisor: Supervisor) -> None:
    """Look until it raises."""
    while True:
        await supervisor.raise_hopeless()
        await asyncio.sleep(0.05)


async def told_by(supervisor: Supervisor, *names: str) -> dict[str, str]:
    """What each of these parts has said, once all of them have said something, or after ten seconds."""
    told = dict.fromkeys(names, "")
    for _ in range(500):
        told = {name: supervisor.log(name).read_text() for name in names}
        if all(told.values()):
            break
        await asyncio.sleep(0.02)
    return told


async def test_a_part_that_never_starts_is_given_up_with_its_reason(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(tmp_path, said.append)
    await supervisor.start(Part("broken", [sys.executable, "-c", "raise RuntimeError('no such table')"]))
    try:
        with pytest.raises(PartFailed, match="broken does not start: RuntimeError: no such table"):
            await asyncio.wait_for(given_up(supervisor), 20)
    finally:
        await supervisor.stop()
    assert said[0] == "broken ended (exit code 1): RuntimeError: no such table; starting it again"


async def test_a_part_is_begun_again_where_its_log_was_taken_away(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(tmp_path / "logs", said.append)
    await supervisor.start(Part("part", [sys.executable, "-c", "import time; time.sleep(0.2); raise SystemExit(3)"]))
    first = supervisor.processes["part"]
    try:
        shutil.rmtree(tmp_path / "logs")
        for _ in range(400):
            if supervisor.processes["part"] is not first:
                break
            await asyncio.sleep(0.02)
        assert supervisor.processes["part"] is not first
        assert said[0] == "part ended (exit code 3); starting it again"
        assert supervisor.log("part").exists()
    finally:
        await supervisor.stop()


SPIN = "import time; begun = time.monotonic()\nwhile time.monotonic() < begun + 2: pass\nprint(time.process_time())"


async def told_from_behind(folder: Path, code: str) -> dict[str, str]:
    """What two parts that run this code have said, "first" and one "behind" it."""
    supervisor = Supervisor(folder, lambda _: None)
    for name, nice in (("first", 0), ("behind", 10)):
        await supervisor.start(Part(name, [sys.executable, "-uc", f"{code}\ntime.sleep(60)"], nice=nice))
    try:
        return await told_by(supervisor, "first", "behind")
    finally:
        await supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins a process to a core")
async def test_a_part_that_stands_behind_lets_others_go_first(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    told = await told_from_behind(tmp_path, f"import os; os.sched_setaffinity(0, [{core}]); {SPIN}")
    used = {name: float(said) for name, said in told.items()}
    assert used["behind"] < used["first"] / 3, used


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one kind of process")
async def test_only_a_part_that_stands_behind_waits_for_a_core_when_it_wakes(tmp_path: Path) -> None:
    told = await told_from_behind(tmp_path, "import os, time; print(os.sched_getscheduler(0))")
    assert {name: int(said) for name, said in told.items()} == {"first": os.SCHED_OTHER, "behind": os.SCHED_BATCH}


SLOW = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), exit())); print(1, flush=True); "


async def test_a_second_wish_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, lambda _: None)
    for name in ("one", "two"):
        await supervisor.start(Part(name, [sys.executable, "-c", SLOW + "time.sleep(60)"]))
    await told_by(supervisor, "one", "two")
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0.3)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert [process.returncode for process in supervisor.processes.values()] == [0, 0]
