"""Studies and the storages they live in: opened, described, told apart."""

import json
import time
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from helpers.common.errors import InputError

JOURNAL = "journal:"
LOCK_SECONDS = 60  # that a worker waits for others to write to an SQLite file


def open_study(name: str, storage: str) -> optuna.Study:
    """A study that `search` has begun, to look at.

    Args:
        storage: as in `search`.

    Raises:
        InputError: there is no such study, or the storage cannot be opened.
    """
    try:
        return optuna.load_study(study_name=name, storage=_connect(storage))
    except KeyError as error:
        raise InputError(f"{shown(storage)} holds no study {name!r}: search first.") from error


def begin_study(name: str, storage: str, description: dict, **options) -> optuna.Study:
    """Opens a study, or begins it.

    Args:
        description: what `search` was asked to do: name of a choice -> JSON-able value.
        options: sampler and pruner.

    Raises:
        InputError: the study has another description, or the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # `work` says what there is to say
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
    """A storage without its password."""
    try:
        return sqlalchemy.make_url(storage).render_as_string(hide_password=True)
    except ArgumentError:  # no URL, so no password
        return storage


def _connect(storage: str) -> BaseStorage:
    try:
        if storage.startswith(JOURNAL):
            path = Path(storage.removeprefix(JOURNAL)).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        url = sqlalchemy.make_url(storage)
        return _sqlite(url) if url.get_backend_name() == "sqlite" else _database(url)
    except (ImportError, OSError, SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"The storage {shown(storage)} cannot be opened ({reason}): give sqlite:///FILE, "
            "journal:FILE or the URL of a database."
        ) from error


def _sqlite(url: sqlalchemy.URL) -> RDBStorage:
    """An SQLite file that is locked before a transaction reads, not only when it first writes.

    Other databases lock the rows that Optuna names. With SQLite's own ways two workers at once
    would see that a trial waits, and both take it.
    """
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"timeout": LOCK_SECONDS}, "poolclass": sqlalchemy.pool.NullPool}
    storage = _database(url, options)
    listen, engine = sqlalchemy.event.listen, storage.engine
    listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def _database(url: sqlalchemy.URL, options: dict | None = None, attempts: int = 5) -> RDBStorage:
    try:
        return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    except (IntegrityError, OperationalError, ProgrammingError):
        # Of workers that begin at once, all but one may find tables that are just being made.
        if attempts == 1:
            raise
        time.sleep(0.5)
        return _database(url, options, attempts - 1)
