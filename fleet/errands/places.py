"""Where files are: URLs taken apart, so that credentials go one way and everything that may be shown another."""

from urllib.parse import SplitResult, quote, unquote, urlsplit

from attrs import field, frozen

from fleet.core.errands import Why


class ErrandFailed(Exception):
    """An errand can't be done; `why` is for the charge point, the text for people, one line and without secrets."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why


@frozen
class Place:
    """A URL without its credentials, and the credentials."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str = field(repr=False)  # signed URLs have their secret there
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """For the wire; the query may be a secret, so not for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{host}{port}{self.path}{query}"

    def file(self, name: str) -> "Place":
        """The place of the file called `name` in this folder."""
        path = f"{self.path.rstrip('/')}/{quote(name)}"
        return Place(self.scheme, self.host, self.port, path, self.query, self.user, self.password)


def place(url: str) -> Place:
    """Take a URL apart; `ErrandFailed` (unsupported) if it is none."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        # The parser's own words would show the URL.
        raise ErrandFailed(Why.UNSUPPORTED, "the location is no URL") from None
    if not parts.scheme or not host:
        raise ErrandFailed(Why.UNSUPPORTED, "the location is no URL with a scheme and a host")
    user, password = _credentials(parts)
    return Place(parts.scheme.lower(), host, port, parts.path or "/", parts.query, user, password)


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return user, password
