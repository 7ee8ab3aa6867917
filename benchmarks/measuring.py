"""Seconds and memory, for the scripts beside this file (Linux: they read /proc)."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

FIELDS = {"resident": "VmRSS", "anonymous": "RssAnon", "files": "RssFile"}


def timed(work: Callable, *arguments) -> tuple[float, float]:
    """Seconds that a call takes by the clock, and of all cores together.

    The second is the one to trust where other programs run as well.
    """
    start = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - start[0], time.process_time() - start[1]


def in_own_process(work: Callable[..., dict], *arguments) -> dict:
    """Calls a function of a module in a process of its own, so that its memory is its own.

    Returns:
        What it returns, or {"error": ...}, with the most "resident", "anonymous" (what cannot be
        reclaimed) and "files" memory (pages of mapped files) that it had, in MB.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, arguments))
    process.start()
    sender.close()  # the other end alone is left, so that a death is noticed
    most = dict.fromkeys(FIELDS, 0.0)
    while not receiver.poll(0.01):
        now = _memory(process.pid)
        most = {name: max(most[name], now.get(field, 0)) for name, field in FIELDS.items()}
    try:
        found = receiver.recv()
    except EOFError:
        process.join()
        found = {"error": f"ended with {process.exitcode}, perhaps for want of memory"}
    process.join()
    return found | most


def _answer(sender, work: Callable, arguments: tuple) -> None:
    try:
        sender.send(work(*arguments))
    except Exception as error:  # say of a full memory: the other measurements go on
        sender.send({"error": f"{type(error).__name__}: {error}"[:300]})


def _memory(process: int) -> dict[str, float]:
    """The sizes in MB that Linux tells of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    sizes = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) / 1024 for name, size, _ in sizes}
