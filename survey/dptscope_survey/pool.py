"""Where chunks are worked on: processes of this machine (loky), or a Dask cluster.

loky is what joblib works with. ``joblib.Parallel`` ends at the first worker that dies and does not tell which chunks were
being worked on; the futures of both executors do.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from dptscope.commands.extras import missing_packages
from dptscope.errors import DptscopeError, one_line
from dptscope.process.signals import interrupts_kept, on_exit

_PATIENCE = 20  # seconds for a scheduler to answer
_ALL_GONE = 60  # seconds without a worker after which no more are expected
_GOES_ON = "the same command goes on from what is written"


class Pool(Protocol):
    """Workers that take tasks.

    Attributes:
        workers: how many tasks they work on at once.
        deaths: what a future ends with whose worker died.
        dies_whole: whether all that is being worked on is lost with one worker.
    """

    workers: int
    deaths: tuple[type[Exception], ...]
    dies_whole: bool

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Hand a task to a worker."""

    def renew(self) -> None:
        """Take new workers from the next task on, after a death."""

    def check(self) -> None:
        """Check that somebody still works; to be asked now and then.

        Raises:
            DptscopeError: nobody does.
        """


def check_installed(scheduler: str | None) -> None:
    """Check that what finds the workers is there, before a folder is made.

    Raises:
        DptscopeError: loky, or with an address of a scheduler Dask, is not installed.
    """
    if scheduler is None and "loky" in missing_packages("survey"):
        raise DptscopeError("survey needs what is not installed here (loky): pip install 'dptscope[survey]'")
    if scheduler is not None and "distributed" in missing_packages("dask"):
        raise DptscopeError("--backend dask needs Dask: pip install 'dptscope[dask]'")


@contextmanager
def local_pool(jobs: int, threads: int) -> Iterator[Pool]:
    """Processes of this machine, which end with this one."""
    pool = _LocalPool(jobs, threads)
    others = set(multiprocessing.active_children())

    def kill() -> None:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()

    with interrupts_kept(), on_exit(kill), warnings.catch_warnings():
        # Where psutil is installed, loky replaces a worker that has grown, and says so.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        try:
            yield pool
        except BaseException:
            pool.close(kill=True)
            raise
        pool.close()


class _LocalPool:
    dies_whole = True

    def __init__(self, jobs: int, threads: int) -> None:
        import loky

        # What libraries beside onnxruntime take their number of threads from: read when they are loaded.
        environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self._start = partial(loky.ProcessPoolExecutor, jobs, env=environment)
        self._executor: Any = None
        self.workers = jobs
        self.deaths: tuple[type[Exception], ...] = (loky.BrokenProcessPool,)

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        if self._executor is None:
            self._executor = self._start()
        future: Future[Any] = Future()
        try:
            future = self._executor.submit(function, *arguments)
        except self.deaths as error:  # a worker has just died, and the others with it
            future.set_exception(error)
        return future

    def renew(self) -> None:
        self.close(kill=True)

    def check(self) -> None:
        """A process that dies ends its future."""

    def close(self, kill: bool = False) -> None:
        """End the workers, in the middle of a task where ``kill``."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=kill)
            self._executor = None


@contextmanager
def dask_pool(address: str) -> Iterator[Pool]:
    """The workers of a Dask cluster.

    Args:
        address: of its scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        DptscopeError: no scheduler answers, or it has no workers.
    """
    from distributed import Client

    with _log_silenced():
        try:
            client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DptscopeError(f"{address}: expected the scheduler of a Dask cluster ({one_line(error)})") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError as error:
                raise DptscopeError(f"{address}: expected a cluster with workers, got one without") from error
            yield _DaskPool(client, address)


@contextmanager
def _log_silenced() -> Iterator[None]:
    """What ends a run or is done again is told here; Dask logs it with its traceback."""
    log, nowhere = logging.getLogger("distributed"), logging.NullHandler()
    before = log.propagate
    log.addHandler(nowhere)
    log.propagate = False
    try:
        yield
    finally:
        log.propagate = before
        log.removeHandler(nowhere)


class _DaskPool:
    """Dask's tasks as futures. ``Client.get_executor`` has such ones, but one whose workers died is never done."""

    dies_whole = False

    def __init__(self, client: Any, address: str) -> None:
        from distributed import KilledWorker

        self._client, self._address = client, address
        self._tasks: set[Any] = set()  # Dask forgets a task that nobody holds
        self._none_since: float | None = None
        self.workers: int = max(1, sum(client.nthreads().values()))  # none, where they have just died
        self.deaths: tuple[type[Exception], ...] = (KilledWorker,)

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        answer: Future[Any] = Future()
        task = self._client.submit(function, *arguments, pure=False)
        self._tasks.add(task)
        self._when_done(task, answer)
        return answer

    def _when_done(self, task: Any, answer: Future[Any]) -> None:
        task.add_done_callback(lambda done: self._finish(done, answer))

    def _finish(self, task: Any, answer: Future[Any]) -> None:
        if task.status == "pending":  # what it gave was lost with its worker: it is done once more
            self._when_done(task, answer)
            return
        try:
            if task.cancelled():  # as all are when the client closes: its loop may end while ``result`` waits for it
                raise CancelledError
            answer.set_result(task.result())
        except (CancelledError, asyncio.CancelledError):  # Dask raises both; the second is no Exception
            answer.set_exception(
                DptscopeError(f"{self._address}: the cluster gave up a task; was it closed? {_GOES_ON}")
            )
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the answer)
            answer.set_exception(error)
        self._tasks.discard(task)

    def renew(self) -> None:
        """Who starts the cluster's workers starts new ones."""

    def check(self) -> None:
        try:
            workers = self._client.nthreads()
        except OSError as error:
            raise DptscopeError(
                f"{self._address}: expected a scheduler, got none any more ({one_line(error)}); {_GOES_ON}"
            ) from error
        if workers:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = time.monotonic()
        elif time.monotonic() > self._none_since + _ALL_GONE:
            raise DptscopeError(
                f"{self._address}: expected workers, got a cluster that has had none for {_ALL_GONE} seconds; {_GOES_ON}"
            )
