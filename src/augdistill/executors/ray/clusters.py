"""Join a Ray cluster or start one, look at its nodes, and wait for what it and signals have to tell."""

import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from augdistill.base.errors import RequestError, WorkError
from augdistill.base.files import write_atomic
from augdistill.base.safepath import start_safely
from augdistill.base.text import now
from augdistill.executors.ray.worker import look

Events = SimpleQueue[Future[Any] | BaseException]  # of tasks that ended, put there by a thread of Ray's, and of signals

OBJECTS = 80 * 2**20  # bytes of shared memory that a cluster of our own sets aside, near the least that Ray takes


@contextmanager
def cluster(address: str | None, retries: int) -> Iterator[None]:
    """Join a cluster, or start one on this machine, and leave it at the end; its lines stay in its own logs.

    Raises RequestError if none at the address lets us in, WorkError if none starts. Authentication is as Ray sets it.
    """
    import ray

    own: dict[str, Any] = {
        "include_dashboard": False,
        "object_store_memory": OBJECTS,
        "_system_config": {"task_oom_retries": retries},  # Ray's own default is without end
    }
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # In the main thread Ray sets a handler of SIGTERM that exits. The thread stays: what it starts would end with it.
    with ThreadPoolExecutor(1) as thread:
        try:
            if address and address != "auto":
                host, port = address.split(":")
                socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself would try for two minutes
            start_safely()
            with chdir("/"):  # Ray lets workers import from the folder that it is started in
                thread.submit(ray.init, address or "local", **quiet, **({} if address else own)).result()
        except Exception as error:  # Ray raises plain ones, too
            told = str(error).strip().splitlines()[0]
            if address is None:
                raise WorkError(f"no Ray cluster came up on this machine: {told}") from None
            raise RequestError(f"executor.address={address}: {told}; ray start --head starts a cluster") from None
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
        ):  # Ray prints of lost tasks what we say, too
            try:
                yield
            finally:
                ray.shutdown()


def alive_nodes() -> list[dict[str, Any]]:
    """Return what Ray says of the nodes that are there."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


@contextmanager
def token(outputs: Path) -> Iterator[dict[str, str]]:
    """Put a file into the outputs folder meanwhile and give what a node must find: working folder, path, content."""
    outputs.mkdir(parents=True, exist_ok=True)
    path = outputs.resolve() / f".ray-{os.uname().nodename}-{os.getpid()}"
    content = f"{os.uname().nodename} {os.getpid()} {now()}"
    write_atomic(path, content.encode())
    try:
        yield {"folder": str(Path.cwd()), "token": str(path), "content": content}
    finally:
        path.unlink(missing_ok=True)


def enqueue_signal(events: Events, asked: BaseException) -> None:
    """Note what a signal asks for; raised within Ray's C++ it would abort the process, or come out as a SystemError."""
    signal.alarm(0)  # Ray's own handler, had it been the first, gives the process three seconds
    events.put(asked)


def next_event(events: Events, seconds: float | None = None) -> Future[Any]:
    """Return the next future that ended; raises what a signal asked for, and queue.Empty if nothing came in time."""
    event = events.get(timeout=seconds)
    if isinstance(event, BaseException):
        raise event
    return event


def look_at(nodes: list[dict[str, Any]], place: dict[str, str], events: Events) -> None:
    """Raise RequestError for a node that does not share this one's folders or has other packages."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from augdistill.stages.folders import versions

    task = ray.remote(look)
    message = json.dumps({**place, "versions": {**versions(), "python": ""}})
    on = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    refs = [task.options(num_cpus=0, scheduling_strategy=there, max_retries=0).remote(message) for there in on]
    seen = {ref.future(): node for ref, node in zip(refs, nodes, strict=True)}
    for future in seen:
        future.add_done_callback(events.put)
    for _ in nodes:
        future = next_event(events)
        try:
            problem = future.result()
        except ray.exceptions.RayError as error:
            problem = f"it cannot run augdistill ({last_line(error)})"
        if problem:
            raise RequestError(f"node {seen[future]['NodeManagerHostname']}: {problem}")


def last_line(error: Exception) -> str:
    """Return the last line of an error's text, which of a traceback is what was raised."""
    return str(error).strip().splitlines()[-1]
