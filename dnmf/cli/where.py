"""Where the work of a command is done: threads of this process, workers on this machine, or a scheduler."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

import click

from dnmf.cli.again import WHERE
from dnmf.cli.amounts import MEMORY
from dnmf.cli.exits import silence_other_loggers
from dnmf.cli.output import DEBUG, Output
from dnmf.connections.addresses import scheduler_address
from dnmf.progress import counted, labelled

WORKERS_LOG = "DASK_LOGGING__DISTRIBUTED"  # read by each worker process when it starts


@dataclass(frozen=True)
class Where:
    """What ``--scheduler``, ``--workers``, ``--threads``, ``--memory-limit`` and the options beside them say.

    Raises
    ------
    click.UsageError
        Workers or threads are asked for at a scheduler that has its own, or certificates and patience where there is
        none to connect to.
    """

    scheduler: str | None = None
    workers: int | None = None
    threads: int | None = None
    memory_limit: int | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    workers_timeout: float | None = None

    def __post_init__(self) -> None:
        self._refuse_half_of_certificates()
        if self.workers is None and self.threads is None:
            return
        if self.scheduler is None:
            object.__setattr__(self, "scheduler", "local")
        elif self.scheduler != "local":
            raise click.UsageError("--workers and --threads are for --scheduler local; a scheduler has its own workers")

    def _refuse_half_of_certificates(self) -> None:
        given = [each is not None for each in (self.tls_ca, self.tls_cert, self.tls_key)]
        if self.scheduler in (None, "local") and (any(given) or self.workers_timeout is not None):
            raise click.UsageError(
                "--tls-ca, --tls-cert, --tls-key and --workers-timeout are for a running scheduler: give --scheduler "
                "ADDRESS or FILE"
            )
        if any(given) and not all(given[:2]):
            raise click.UsageError("--tls-ca and --tls-cert belong together: the CA of the cluster and your own")

    @property
    def certificates(self) -> Any:
        """Those that were given; None where dask's configuration says."""
        from dnmf.connections.certificates import Certificates

        if self.tls_ca is None or self.tls_cert is None:
            return None
        return Certificates(self.tls_ca, self.tls_cert, self.tls_key)

    @property
    def words(self) -> tuple[str, ...]:
        """The options and their values as they are typed."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        named = [(f"--{name.replace('_', '-')}", value) for name, value in given.items() if value is not None]
        return tuple(word for name, value in named for word in (name, f"{value}"))

    @contextmanager
    def client(self, output: Output) -> Iterator[Any]:
        """Yield a dask client, None for threads of this process; close what was started.

        Raises
        ------
        ClusterError
            No scheduler answers.
        """
        if self.scheduler is None:
            yield None
            return
        if self.scheduler != "local":
            scheduler_address(self.scheduler, "--scheduler")  # refused before dask is imported, which takes its time
        if self.scheduler == "local":
            wanted = "a worker for each processor" if self.workers is None else counted(self.workers, "worker")
            output.say(labelled("cluster", f"starting {wanted} on this machine"))
        with _connected(self) as client:
            yield client


@contextmanager
def _connected(where: Where) -> Iterator[Any]:
    from dnmf.cluster import connect
    from dnmf.signals import children_ignore_ctrl_c

    debugging = bool(click.get_current_context().meta.get(DEBUG))
    with nullcontext() if debugging else _quiet_workers(), ExitStack() as stack:
        with children_ignore_ctrl_c() if where.scheduler == "local" else nullcontext():
            client = stack.enter_context(
                connect(
                    where.scheduler,
                    workers=where.workers,
                    threads=where.threads or 1,
                    memory_limit=where.memory_limit,
                    certificates=where.certificates,
                    workers_timeout=where.workers_timeout,
                )
            )
        if not debugging:
            silence_other_loggers()  # now: importing dask sets the levels of its loggers
        yield client


@contextmanager
def _quiet_workers() -> Iterator[None]:
    """Let local workers log nothing: a task's error reaches the user as one line, without their traceback."""
    before = os.environ.get(WORKERS_LOG)
    os.environ[WORKERS_LOG] = "critical"
    try:
        yield
    finally:
        if before is None:
            del os.environ[WORKERS_LOG]
        else:
            os.environ[WORKERS_LOG] = before


def work_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of :class:`Where` and hand them to the command as `where`."""

    @functools.wraps(command)
    def packed(**given: Any) -> Any:
        asked = {each.name: given.pop(each.name) for each in fields(Where)}
        where = Where(**asked)
        click.get_current_context().meta[WHERE] = where.words
        return command(where=where, **given)

    for option in (
        click.option(
            "--workers-timeout",
            type=click.FloatRange(0, min_open=True),
            help="Seconds to wait for the first worker of a scheduler.  [default: 60]",
        ),
        click.option("--tls-key", metavar="FILE", help="Key of that certificate.  [default: in its file]"),
        click.option("--tls-cert", metavar="FILE", help="Certificate to show to a scheduler at tls://…"),
        click.option(
            "--tls-ca",
            metavar="FILE",
            help="The CA that signed the scheduler's certificate.  [default: dask's configuration]",
        ),
        click.option("--memory-limit", type=MEMORY, help="Of one worker, such as 4GB.  [default: what it has]"),
        click.option(
            "--threads",
            type=click.IntRange(1),
            help="Threads of each local worker; implies --scheduler local.  [default: 1]",
        ),
        click.option("--workers", type=click.IntRange(1), help="Local worker processes; implies --scheduler local."),
        click.option(
            "--scheduler",
            metavar="ADDRESS|local|FILE",
            help="A dask scheduler, workers on this machine, or a scheduler file.  [default: threads of this process]",
        ),
    ):
        packed = option(packed)
    return packed
