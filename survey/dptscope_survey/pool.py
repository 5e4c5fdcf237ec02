"""Where chunks are worked on: processes of this machine (loky), or a Dask cluster.

loky is what joblib works with. ``joblib.Parallel`` ends at the first worker that dies and does not tell which chunks were
being worked on; the futures of both executors do.
"""

from __future__ import annotations

import multiprocessing
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from dptscope.commands.extras import missing_packages
from dptscope.errors import DptscopeError, one_line
from dptscope.process.signals import interrupts_kept, on_exit

_PATIENCE = 20  # seconds for a scheduler to answer


class Pool:
    """Workers that take tasks.

    Attributes:
        workers: how many tasks they work on at once.
        deaths: what a future ends with whose worker died.
        dies_whole: whether all that is being worked on is lost with one worker.
    """

    def __init__(
        self, start: Callable[[], Any], workers: int, deaths: tuple[type[Exception], ...], dies_whole: bool
    ) -> None:
        self._start = start
        self._executor: Any = None
        self.workers = workers
        self.deaths = deaths
        self.dies_whole = dies_whole

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Hand a task to a worker."""
        if self._executor is None:
            self._executor = self._start()
        future: Future[Any] = self._executor.submit(function, *arguments)
        return future

    def renew(self) -> None:
        """Take new workers from the next task on, after a death."""
        if self.dies_whole:
            self.close(kill=True)

    def close(self, kill: bool = False) -> None:
        """End the workers, in the middle of a task where ``kill``."""
        if self._executor is not None:
            how = {"kill_workers": kill} if self.dies_whole else {}
            self._executor.shutdown(wait=True, **how)
            self._executor = None


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
    import loky

    # What libraries beside onnxruntime take their number of threads from: read when they are loaded.
    environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    pool = Pool(
        lambda: loky.ProcessPoolExecutor(jobs, env=environment), jobs, (loky.BrokenProcessPool,), dies_whole=True
    )

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


@contextmanager
def dask_pool(address: str) -> Iterator[Pool]:
    """The workers of a Dask cluster.

    Args:
        address: of its scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        DptscopeError: no scheduler answers, or it has no workers.
    """
    from distributed import Client, KilledWorker

    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise DptscopeError(f"{address}: expected the scheduler of a Dask cluster ({one_line(error)})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise DptscopeError(f"{address}: expected a cluster with workers, got one without") from error
        workers = sum(client.nthreads().values())
        yield Pool(lambda: _DaskExecutor(client, address), workers, (KilledWorker,), dies_whole=False)


class _DaskExecutor:
    """Dask's tasks as futures. ``Client.get_executor`` has such ones, but one whose workers died is never done."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._tasks: set[Any] = set()  # Dask forgets a task that nobody holds

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
            answer.set_result(task.result())
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the answer)
            answer.set_exception(error)
        except CancelledError:  # which is no Exception
            answer.set_exception(DptscopeError(f"{self._address}: the cluster gave up a task; was it closed?"))
        self._tasks.discard(task)

    def shutdown(self, wait: bool) -> None:
        """Give up what is not done."""
        self._client.cancel(list(self._tasks))
