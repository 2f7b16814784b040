"""Files over HTTP and HTTPS: one client for the whole fleet, so that hundreds of downloads share its connections.

A download is read to its end, hashed as it comes and not kept. An upload is a PUT of the file into the folder; a server
that knows no PUT there is tried with a POST to the folder itself, which is what upload scripts take.

The environment's proxies are not a charge point's. httpx logs each request with its URL, whose query may hold a secret:
that logger is turned down, whatever the process has it at.
"""

import hashlib
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import trio

from fleet.core.errands import HEAD_BYTES, Done, Fetched, Why
from fleet.errands.places import ErrandFailed, Place

logging.getLogger("httpx").setLevel(logging.WARNING)

SCHEMES = frozenset({"http", "https"})
CONNECTIONS_MAX = 64
REDIRECTS_MAX = 5
SMALL_BYTES_MAX = 2**20
CONNECT_TIMEOUT_S, SILENCE_TIMEOUT_S, QUEUE_TIMEOUT_S = 10.0, 30.0, 600.0
_NO_PUT_HERE = frozenset({404, 405, 501})
_DENIED = frozenset({401, 403, 407})


class Web:
    """The client. To be closed when nobody has errands any more."""

    def __init__(self, verify: ssl.SSLContext, size_max_bytes: int) -> None:
        self._size_max_bytes = size_max_bytes
        self._client = httpx.AsyncClient(
            verify=verify,
            trust_env=False,
            follow_redirects=True,
            max_redirects=REDIRECTS_MAX,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            timeout=httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=QUEUE_TIMEOUT_S),
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def fetch(self, place: Place) -> Fetched:
        """Download; `ErrandFailed` if it can't be."""
        digest, head = hashlib.sha256(), bytearray()

        def take(chunk: bytes) -> None:
            head.extend(chunk[: HEAD_BYTES - len(head)])
            digest.update(chunk)

        size_bytes = await self._download(place, take, self._size_max_bytes)
        return Fetched(size_bytes, digest.digest(), bytes(head))

    async def read(self, place: Place) -> bytes:
        """Download a small file and keep it."""
        content = bytearray()
        await self._download(place, content.extend, SMALL_BYTES_MAX)
        return bytes(content)

    async def _download(self, place: Place, take: Callable[[bytes], None], size_max_bytes: int) -> int:
        """Hand the file over piece by piece; its size in bytes."""
        size_bytes = 0
        async with _foreign_errors(), self._client.stream("GET", place.url, auth=_auth(place)) as response:
            _judge(response)
            # To leave the loop would leave httpx's generators to the garbage collector; cancelled, they end themselves.
            with trio.CancelScope() as reading:
                async for chunk in response.aiter_bytes():
                    size_bytes += len(chunk)
                    if size_bytes <= size_max_bytes:
                        take(chunk)
                    else:
                        reading.cancel()
        if size_bytes > size_max_bytes:
            raise ErrandFailed(Why.TOO_LARGE, f"the file is larger than {size_max_bytes} bytes")
        return size_bytes

    async def deliver(self, folder: Place, name: str, content: bytes) -> Done:
        """Upload; `ErrandFailed` if it can't be."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        async with _foreign_errors():
            response = await self._client.put(
                folder.file(name).url, content=content, headers=headers, auth=_auth(folder)
            )
            if response.status_code in _NO_PUT_HERE:
                headers["Content-Disposition"] = f'attachment; filename="{name}"'
                response = await self._client.post(folder.url, content=content, headers=headers, auth=_auth(folder))
        _judge(response)
        return Done()


def _auth(place: Place) -> httpx.Auth:
    return httpx.Auth() if place.user is None else httpx.BasicAuth(place.user, place.password or "")


def _judge(response: httpx.Response) -> None:
    if response.is_success:
        return
    why = Why.DENIED if response.status_code in _DENIED else Why.REFUSED
    raise ErrandFailed(why, f"the server answered {response.status_code} {response.reason_phrase}".strip()[:200])


@asynccontextmanager
async def _foreign_errors() -> AsyncIterator[None]:
    """httpx's exceptions stop here; their words, which may show a URL, too."""
    try:
        yield
    except httpx.InvalidURL:
        raise ErrandFailed(Why.UNSUPPORTED, "the location is no URL") from None
    except httpx.UnsupportedProtocol:
        raise ErrandFailed(Why.UNSUPPORTED, "a redirection to something other than HTTP") from None
    except httpx.TooManyRedirects:
        raise ErrandFailed(Why.REFUSED, f"more than {REDIRECTS_MAX} redirections") from None
    except httpx.TimeoutException:
        raise ErrandFailed(Why.UNREACHABLE, "the server was silent for too long") from None
    except httpx.ConnectError as error:
        raise ErrandFailed(Why.UNREACHABLE, _unreachable(error)) from None
    except httpx.DecodingError:
        raise ErrandFailed(Why.REFUSED, "the file's encoding is broken") from None
    except httpx.HTTPError:
        raise ErrandFailed(Why.UNREACHABLE, "the connection was lost before the end") from None


def _unreachable(error: BaseException) -> str:
    """Why no connection came about, from whatever the exception was made of."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: certificate not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        if isinstance(cause, OSError) and cause.strerror:
            # Trio puts the address into the text; the number has the system's own words. Names' errors are below 0.
            return f"no connection: {os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
