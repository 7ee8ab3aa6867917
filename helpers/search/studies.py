"""Studies and the databases they live in: opened, described, told apart."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from helpers.common.errors import InputError, reason

LOCK_SECONDS = 60  # that a worker waits for others to write to an SQLite file
FAILURES = (SQLAlchemyError, StorageInternalError)  # of a database that is full, gone or damaged
# When it is opened, also what is said of an address that is none.
NOT_OPENED = (*FAILURES, ImportError, OSError, ValueError, TypeError)


def begin_study(name: str, storage: str, description: dict, **options) -> optuna.Study:
    """Opens a study, or begins it.

    Args:
        storage: as in `search`.
        description: what `search` was asked to do: name of a choice -> JSON-able value.
        options: sampler and pruner.

    Raises:
        InputError: the study has another description, or the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # `work` says what there is to say
    with usable(storage, NOT_OPENED):
        study = optuna.create_study(
            study_name=name, storage=_connect(storage), load_if_exists=True, **options
        )
        if not study.user_attrs:
            study.set_user_attr("description", description)
        known = study.user_attrs.get("description", {})
    description = json.loads(json.dumps(description))  # tuples are read back as lists
    differing = [name for name in description if known.get(name) != description[name]]
    if differing:
        raise InputError(
            f"The study {study.study_name!r} in {shown(storage)} was begun with other values of: "
            f"{', '.join(differing)}; choose a new name, or search as it was begun."
        )
    return study


def shown(storage: str) -> str:
    """The path of an SQLite file; of any other database, which may have a password, the kind."""
    if file := re.match(r"sqlite:///[^?]*", storage):
        return file[0]
    if re.fullmatch(r"[\w./ ~-]*", storage):  # a path, in which no password fits
        return storage
    kind = re.match(r"[a-z0-9+]+://", storage)
    return f"{kind[0] if kind else ''}***"


@contextmanager
def usable(storage: str, failures: tuple = FAILURES) -> Iterator[None]:
    """Says in one sentence that a storage cannot be used, when the block finds that out.

    Raises:
        InputError: one of `failures` was raised.
    """
    try:
        yield
    except failures as error:
        cause = error.__cause__ or error
        # The text of others may hold a password.
        plain = storage.startswith("sqlite:///") or isinstance(cause, ImportError)
        said = reason(cause) if plain else type(cause).__name__
        raise InputError(
            f"The storage {shown(storage)} cannot be used ({said}): give sqlite:///FILE or the "
            "URL of a database, free some space if there is none, and move a damaged file away, "
            "since what was trained is found again."
        ) from None


def _connect(storage: str) -> RDBStorage:
    """A database; an SQLite file is locked before a transaction reads, not when it first writes.

    Other databases lock the rows that Optuna names. With SQLite's own ways two workers at once
    would see that a trial waits, and both take it.
    """
    url = sqlalchemy.make_url(storage)
    if url.get_backend_name() != "sqlite":
        return _opened(url)
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"timeout": LOCK_SECONDS}, "poolclass": sqlalchemy.pool.NullPool}
    opened = _opened(url, options)
    listen, engine = sqlalchemy.event.listen, opened.engine
    listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return opened


def _opened(url: sqlalchemy.URL, options: dict | None = None, attempts: int = 5) -> RDBStorage:
    try:
        return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    except (IntegrityError, OperationalError, ProgrammingError):
        # Of workers that begin at once, all but one may find tables that are just being made.
        if attempts == 1:
            raise
        time.sleep(0.5)
        return _opened(url, options, attempts - 1)
