"""Where control sockets are, and whose they are.

A socket lets its owner do anything with a run, so it is made for its owner alone: mode 0600 in a folder of mode 0700
that must be ours. A socket file outlives a run that was killed; it is told from one in use by knocking.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet.errors import ConfigurationError

PATH_BYTES_MAX = 107
"""A Unix socket's address has room for this and a zero byte (`man 7 unix`)."""
KNOCK_TIMEOUT_S = 1.0
BACKLOG = 16
_SUFFIX = ".sock"


def control_folder() -> Path:
    """The folder of this person's sockets: in XDG_RUNTIME_DIR, else a private one in /tmp. It need not exist."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and Path(runtime).is_dir():
        return Path(runtime) / "fleet"
    return Path("/tmp") / f"fleet-{os.geteuid()}"


def own_path() -> Path:
    """Where this process listens unless told otherwise."""
    return control_folder() / f"{os.getpid()}{_SUFFIX}"


def find_socket() -> Path:
    """The socket of the only run there is; raises ConfigurationError when there is none, or more than one."""
    folder = control_folder()
    if folder.is_dir():
        _require_private(folder)
    alive = [path for path in sorted(folder.glob(f"*{_SUFFIX}")) if path.is_socket() and is_answered(path)]
    if not alive:
        raise ConfigurationError(
            f"no fleet is running that could be told: nobody listens in {folder} (elsewhere? --control PATH)"
        )
    if len(alive) > 1:
        listed = ", ".join(str(path) for path in alive)
        raise ConfigurationError(f"{len(alive)} fleets are running, say which with --control PATH: {listed}")
    return alive[0]


def is_answered(path: Path) -> bool:
    """Does anybody listen at this socket? Raises PermissionError where that is not ours to know."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(KNOCK_TIMEOUT_S)
        try:
            knock.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, TimeoutError):
            return True  # so busy that its queue is full, but somebody's
    return True


def listen(path: Path) -> socket.socket:
    """A listening socket at `path` for its owner alone, in place of one that a dead run left there.

    Raises ConfigurationError for a path that is in use, or not ours, or can't be a socket.
    """
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise ConfigurationError(f"control socket {path}: a socket's path can have {PATH_BYTES_MAX} bytes at most")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_folder(path.parent)
        with _alone_in(path.parent):
            if path.parent == control_folder():
                _sweep(path.parent)
            _clear(path)
            # Not bind and then chmod: in between it would be open to others.
            umask = os.umask(0o177)
            try:
                listening.bind(str(path))
            finally:
                os.umask(umask)
            listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"control socket {path}: {error.strerror or error}") from None
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def identity(path: Path) -> tuple[int, int] | None:
    """What tells this socket file from another of the same name; None when it is gone."""
    with suppress(OSError):
        status = path.lstat()
        return status.st_dev, status.st_ino
    return None


def _make_folder(folder: Path) -> None:
    if folder == control_folder():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(folder)
    elif not folder.is_dir():
        raise ConfigurationError(f"control socket: there is no folder {folder}")


def _require_private(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"control socket: {folder} is not a folder of yours; remove it, or give --control PATH"
        )
    if status.st_mode & 0o077:
        raise ConfigurationError(f"control socket: {folder} is open to others: chmod 700 {folder}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other run looks for a stale socket here in the meantime, unless somebody holds the lock for ever."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        give_up_at = time.monotonic() + KNOCK_TIMEOUT_S
        while time.monotonic() < give_up_at:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    break
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Take away what dead runs left in our own folder."""
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if path.is_socket() and not is_answered(path):
                path.unlink()


def _clear(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ConfigurationError(f"control socket {path}: there is something else that is no socket")
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"control socket {path}: it is somebody else's")
    if is_answered(path):
        raise ConfigurationError(f"control socket {path}: it is in use by another run")
    path.unlink()
