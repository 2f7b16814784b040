"""Files over FTP and, explicitly secured (AUTH TLS), FTPS, by the standard library, in a worker thread.

The library blocks, so every call here is made by a thread; each wait of it has its own time-out, after which the thread
comes back, whoever still waits for it.
"""

import ftplib
import hashlib
import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from fleet.core.errands import HEAD_BYTES, Done, Fetched, Why
from fleet.errands.places import ErrandFailed, Place

SCHEMES = frozenset({"ftp", "ftps"})
TIMEOUT_S = 30.0
_NOT_LOGGED_IN = frozenset({"331", "332", "430", "530", "532"})
_TOO_LARGE = "552"


def fetch(place: Place, context: ssl.SSLContext, size_max_bytes: int) -> Fetched:
    """Download; `ErrandFailed` if it can't be."""
    digest, head, size_bytes = hashlib.sha256(), bytearray(), 0

    def take(chunk: bytes) -> None:
        nonlocal size_bytes
        size_bytes += len(chunk)
        if size_bytes > size_max_bytes:
            raise ErrandFailed(Why.TOO_LARGE, f"the file is larger than {size_max_bytes} bytes")
        head.extend(chunk[: HEAD_BYTES - len(head)])
        digest.update(chunk)

    with _connected(place, context) as connection:
        connection.retrbinary(f"RETR {_path(place)}", take)
    return Fetched(size_bytes, digest.digest(), bytes(head))


def deliver(folder: Place, name: str, content: bytes, context: ssl.SSLContext) -> Done:
    """Upload; `ErrandFailed` if it can't be."""
    with _connected(folder, context) as connection:
        connection.storbinary(f"STOR {_path(folder.file(name))}", io.BytesIO(content))
    return Done()


def _path(place: Place) -> str:
    path = unquote(place.path)
    if "\r" in path or "\n" in path:
        # One line is one command: a path must not become a second one.
        raise ErrandFailed(Why.UNSUPPORTED, "the location's path has a line break in it")
    # RFC 1738, section 3.2.2: relative to where the login leads; a second slash is the root.
    return path[1:] or "."


@contextmanager
def _connected(place: Place, context: ssl.SSLContext) -> Iterator[ftplib.FTP]:
    try:
        if place.scheme == "ftps":
            secured = ftplib.FTP_TLS(timeout=TIMEOUT_S, context=context)
            connection: ftplib.FTP = secured
        else:
            connection = ftplib.FTP(timeout=TIMEOUT_S)
        with connection:
            connection.connect(place.host, place.port or ftplib.FTP_PORT)
            connection.login(place.user or "anonymous", place.password or "")
            if isinstance(connection, ftplib.FTP_TLS):
                connection.prot_p()
            yield connection
    except ftplib.Error as error:
        # Only the code: what a server says may repeat what it was told.
        code = str(error)[:3]
        why = Why.DENIED if code in _NOT_LOGGED_IN else Why.TOO_LARGE if code == _TOO_LARGE else Why.REFUSED
        raise ErrandFailed(
            why, f"the server answered {code}" if code.isdigit() else "the server speaks no FTP"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise ErrandFailed(Why.UNREACHABLE, f"TLS: certificate not trusted: {error.verify_message}") from None
    except ssl.SSLError:
        raise ErrandFailed(Why.UNREACHABLE, "TLS failed") from None
    except TimeoutError:
        raise ErrandFailed(Why.UNREACHABLE, "the server was silent for too long") from None
    except OSError as error:
        raise ErrandFailed(Why.UNREACHABLE, f"no connection: {error.strerror or 'lost'}") from None
    except EOFError:
        raise ErrandFailed(Why.UNREACHABLE, "the connection was lost before the end") from None
    except UnicodeError:
        raise ErrandFailed(Why.UNSUPPORTED, "the location can't be said in FTP") from None
