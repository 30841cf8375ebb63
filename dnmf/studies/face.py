"""What a kind of study adds to its engine, and how one is fitted, resumed and loaded."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from dnmf import checkpoint
from dnmf.advice import WayOn, resume_command
from dnmf.constraints import Constraints
from dnmf.errors import CheckpointError, UnfinishedError
from dnmf.fitting.events import emit
from dnmf.going_on import goes_on, other_arrays, refuse_another
from dnmf.locations import refuse_overwrite
from dnmf.model import Model
from dnmf.places import place_of
from dnmf.record import RunRecord, contents, has_begun, naming, other_than
from dnmf.resources import Resources
from dnmf.run import free_store, reopened, saying_how_to_go_on
from dnmf.schemes.refused import refuse_idle, refuse_rank
from dnmf.sources import Source
from dnmf.studies.compared import ComparedRun
from dnmf.studies.models import StoredModels, remove_other_models
from dnmf.studies.study import Study
from dnmf.studies.waves import StudyRun
from dnmf.workplace import Workplace


class Result(Protocol):
    """What a study gives its caller."""

    def record(self) -> dict[str, Any]:
        """What it says of itself on disk, as JSON values: ``kind``, ``status`` and the options among them."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What it keeps on disk beside that and the models."""


S = TypeVar("S", bound=Study[Any])
R = TypeVar("R", bound=Result)


class Face(ABC, Generic[S, R]):
    """What people see of a kind of study: how its options are read, and what is made of its models.

    Attributes
    ----------
    kind : str
        Of its records; see :class:`dnmf.studies.study.Study`.
    """

    kind: ClassVar[str]

    @abstractmethod
    def study(self, record: dict[str, Any]) -> S:
        """Return the study whose :meth:`Study.to_json` this is."""

    @abstractmethod
    def result(self, study: S, models: Mapping[Any, Model], run: StudyRun[Any], resources: Resources) -> R:
        """Return what is made of the models once all of them are finished: measured, compared."""

    @abstractmethod
    def restore(self, generation: checkpoint.Generation, folder: Path) -> R:
        """Return the result that the finished generation of the store at `folder` describes."""

    def read(self, store: str | Path) -> checkpoint.Generation:
        """Return the latest generation of a store of this kind.

        Raises
        ------
        CheckpointError
            There is none, or it holds something else.
        """
        generation = checkpoint.read_latest(store)
        if generation.record.get("kind") != self.kind:
            raise CheckpointError(f"{store}: holds {contents(generation.record)}, not {contents({'kind': self.kind})}")
        return generation


def run_of(place: Workplace, study: Study[Any], *given: Any) -> StudyRun[Any]:
    """Return what fits the models of a study: all of which are written, or which are compared."""
    return (StudyRun if study.writes_all else ComparedRun)(place, study, *given)


def fit_study(  # noqa: PLR0913  what the doors of studies hand on, by name
    face: Face[S, R], study: S, source: Source, resources: Resources, *, constraints: Constraints,
    H: Any = None, store: Any = None, overwrite: bool = False, resume: str = "never",
) -> R:  # fmt: skip
    """Return the result of a new study.

    Parameters
    ----------
    face, study, source, resources
        What, of which data, and where.
    constraints : Constraints
        Of all models.
    H : array (k, n), optional
        Where every model starts that starts from no other one.
    store : path, optional
        Where it is committed, and every model that is finished; see :func:`dnmf.path`.
    overwrite : bool
        Whether a study of this kind in `store` is replaced.
    resume : {"never", "auto"}
        Whether one of the same data and options that has begun in `store` is gone on with.
    """
    if goes_on(resume, store, overwrite=overwrite) and _has_begun(face, study, store, source, constraints):
        return resume_study(
            face, store, resources, source=source, force=False, function=f"dnmf.resume_{face.kind}", study=study
        )
    if store is not None:  # before it is planned, and again when its lock is held
        _number_in(free_store(store, source, overwrite=overwrite), source, face, study, overwrite=overwrite)
    else:
        refuse_overwrite("store", overwrite)
    with ExitStack() as stack:
        refuse_rank(study.fit, source)
        refuse_idle(study.fit, source)
        with Workplace(source, study.fit, resources, stored=store is not None, together=study.together) as place:
            place.checked_start(None, H, study.fit)
            run = run_of(place, study, H, place.guides(constraints, study.fit))
            if store is not None:
                lock = stack.enter_context(checkpoint.Store(store))
                run.begin_store(lock, _number_in(lock.path, source, face, study, overwrite=overwrite))
            run.go_on()
        return _finished(face, study, run, resources)


def resume_study(
    face: Face[S, R], store: Any, resources: Resources, *, source: Any, force: bool, function: str,
    study: S | None = None,
) -> R:  # fmt: skip
    """Return the result of a study that goes on from its last committed pass; one that is finished is just loaded.

    Parameters
    ----------
    face, store, resources
        What, from where, and where.
    source : optional
        The data, where it is not found under the path it was read from.
    force : bool
        Go on although the data has changed.
    function : str
        Whom to give data that is not found, for a message.
    study : Study, optional
        The same study, which may say something else of what is made of its models at the end.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    """
    with naming(store):
        return _resumed(face, store, resources, source=source, force=force, function=function, study=study)


def _resumed(
    face: Face[S, R], store: Any, resources: Resources, *, source: Any, force: bool, function: str, study: S | None
) -> R:
    generation, store = face.read(store), place_of(store, "store")
    if generation.record["status"] == "done":
        return face.restore(generation, store)  # nothing is to be written, and it may lie where nobody can write
    with ExitStack() as stack:
        lock, generation = stack.enter_context(checkpoint.Store(store)), face.read(store)
        if generation.record["status"] == "done":  # by another process, just now
            return face.restore(generation, store)
        study = study or face.study(generation.record[face.kind])
        record = RunRecord.from_json(generation.record["run"])
        opened, changed = reopened(record, generation, store, source, function, force=force)
        with Workplace(opened, study.fit, resources, stored=True, cuts=record.plan, together=study.together) as place:
            run = run_of(place, study)
            run.restore(lock, generation, record.fingerprint, changed)
            run.go_on()
        return _finished(face, study, run, resources)


def load_study(face: Face[S, R], path: str | Path) -> R:
    """Return the result of a study that is finished.

    Raises
    ------
    CheckpointError
        There is none, or it is not finished.
    """
    with naming(path):
        generation, folder = face.read(path), place_of(path)
    if generation.record["status"] != "done":
        passes = generation.record["state"]["passes"]
        found = f"{folder}: this {face.kind} is not finished ({passes} passes are committed)"
        raise UnfinishedError(found, WayOn(str(folder), f"dnmf.resume_{face.kind}"))
    with naming(path):
        return face.restore(generation, folder)


def _finished(face: Face[S, R], study: S, run: StudyRun[Any], resources: Resources) -> R:
    """Return what is made of the models, all of which are finished, and commit it."""
    folder = run.store.path if run.store else None
    with saying_how_to_go_on(run.store, run.place, f"dnmf.resume_{face.kind}"):
        models = run.models if folder is None else StoredModels(folder, run.written)
        whole = face.result(study, models, run, resources)
    if folder is not None:
        remove_other_models(folder, run.written)
    run.commit(whole.arrays(), **whole.record())
    if folder is not None:
        whole = face.restore(checkpoint.read_latest(folder), folder)
    emit(resources.callbacks, study.finished(len(study.cells), run.state.passes, run.reads))
    return whole


def _has_begun(face: Face[S, R], study: S, store: Any, source: Source, constraints: Constraints) -> bool:
    """Whether a store holds this study, of the same data; another one is refused, if it has made a pass."""
    path = place_of(store, "store")
    if not checkpoint.exists(path):
        return False
    generation = checkpoint.read_latest(path)
    record, kind = generation.record, study.kind
    if record.get("kind") != kind:
        return False  # who begins looks at what is there
    with naming(path):
        before = face.study(record[kind])
    if record["status"] != "done":
        before = replace(before, **{name: getattr(study, name) for name in study.made_last})  # type: ignore[type-var]
    changed = before.differences(study) + other_arrays(generation, source, study.fit, constraints)
    another = other_than(record, source, changed)
    if not has_begun(record) and (another or study.fit.init == "given"):
        return False
    refuse_another(path, another, contents(record), "this call")
    return True


def _number_in(store: Path, source: Source, face: Face[S, R], study: S, *, overwrite: bool) -> int:
    """Return the number of the first generation of a new study in a store; one that never ended a pass may be there.

    Raises
    ------
    CheckpointError
        It holds something else, or a study that may not be overwritten; the message says which data and options differ.
    """
    if not checkpoint.exists(store):
        return 0
    latest = checkpoint.read_latest(store)
    record, kind = latest.record, study.kind
    if record.get("kind") != kind:
        raise CheckpointError(f"{store}: holds {contents(record)}; choose another store, or remove it yourself")
    if not overwrite and has_begun(record):
        with naming(store):
            before = face.study(record[kind])
        another = other_than(record, source, before.differences(study))
        raise CheckpointError(
            f"{store}: holds {contents(record)} already{another}. Choose another store, begin anew in its place with "
            f"overwrite=True (--overwrite), or go on with what is there: {resume_command(store)}"
        )
    return latest.number + 1
