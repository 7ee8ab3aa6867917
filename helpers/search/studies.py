"""Studies and the storages they live in: opened, described, told apart."""

import functools
import inspect
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from helpers.common.errors import InputError

JOURNAL = "journal:"
LOCK_SECONDS = 60  # that a worker waits for others to write to an SQLite file
# What databases and journals raise that are full, gone, locked or damaged.
FAILURES = (OSError, SQLAlchemyError, StorageInternalError, ValueError, TypeError, AttributeError)
PLACE = r"[\w.-]*(:\d+)?(/[\w./-]*)?"  # host, port and database; what else is there may be secret


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
    """A storage without any password, however mistyped."""
    if storage.startswith(JOURNAL):
        return storage
    kind, slashes, rest = storage.partition("://")
    rest, asks, options = rest.partition("?")
    if kind == "sqlite" and rest.startswith("/"):
        return f"{kind}{slashes}{rest}"
    _, at, place = rest.rpartition("@")
    if not slashes:
        return storage if re.fullmatch(r"[\w./ ~-]*", storage) else "***"
    hidden = "@" in options or not re.fullmatch(PLACE, place) or not re.fullmatch(r"[\w+]+", kind)
    return "***" if hidden else f"{kind}://{'***@' if at else ''}{place}{'?***' if asks else ''}"


def _connect(storage: str) -> BaseStorage:
    try:
        return _guarded(optuna.storages.get_storage(_opened(storage)), storage)
    except (ImportError, *FAILURES) as error:
        raise _unusable(storage, error) from None  # of which the text may hold a password


def _opened(storage: str) -> BaseStorage:
    if storage.startswith(JOURNAL):
        path = Path(storage.removeprefix(JOURNAL)).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(path))
        _end_with_a_line(path, lock)
        return JournalStorage(JournalFileBackend(str(path), lock))
    url = sqlalchemy.make_url(storage)
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _database(url)


def _end_with_a_line(path: Path, lock: JournalFileOpenLock) -> None:
    """Cuts off half a line that a full disk has left, with which the next one would be lost."""
    if not path.exists() or path.read_bytes()[-1:] in (b"", b"\n"):
        return
    lock.acquire()
    try:
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    finally:
        lock.release()


def _guarded(opened: BaseStorage, storage: str) -> BaseStorage:
    """The same storage, whose every method says in one sentence that it cannot be used."""
    for name, _ in inspect.getmembers(BaseStorage, inspect.isfunction):
        if not name.startswith("_"):
            setattr(opened, name, _saying(getattr(opened, name), storage))
    return opened


def _saying(method: Callable, storage: str) -> Callable:
    @functools.wraps(method)
    def guarded(*arguments, **options):
        try:
            return method(*arguments, **options)
        except InputError:
            raise
        except FAILURES as error:
            raise _unusable(storage, error) from None

    return guarded


def _unusable(storage: str, error: Exception) -> InputError:
    cause, name = error.__cause__ or error, shown(storage)
    reason = (str(cause).splitlines() or [""])[0]
    secret = set(re.split(r"\W+", storage)) - set(re.split(r"\W+", name))
    if not reason or any(word in reason for word in secret):
        reason = type(cause).__name__
    return InputError(
        f"The storage {name} cannot be used ({reason}): give sqlite:///FILE, journal:FILE or the "
        "URL of a database, free some space if there is none, and move a damaged file away, since "
        "what was trained is found again."
    )


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
