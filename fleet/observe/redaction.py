"""Redaction: what passes a monitor, a log or a trace without its secrets.

AuthorizationKey is the password of HTTP basic authentication (OCPP 1.6 security profile 1): the CSMS sets it by
ChangeConfiguration, and whoever reads a log over somebody's shoulder need not know it. The other secrets on this wire
are in URLs, which GetDiagnostics and UpdateFirmware carry: a name and password before the host, or a token in the
query. Where hiding too little and hiding too much are the choice, too much is hidden.
"""

import re
from collections.abc import Iterable
from typing import Any

from fleet.core.reports import ProtocolViolated

SECRET_KEYS = frozenset({"authorizationkey"})
MASK = "***"

# Nothing in here may take more than linear time: a hostile CSMS chooses the text. Hence the bounds.
_SECRET_IN_LINE = re.compile(
    r"""(?isx)
    \b ( authorizationkey \\* ["']? [\s=:,]+ (?: \\* ["']? value \\* ["']? [\s=:]+ )? )
    (?: \\{1,8}" .*? (?: \\{1,8}" | $ )
      | " (?: [^"\\] | \\. )* "?
      | ' [^']* '?
      | \S+? (?= [}\])]{0,8} (?: \s | $ ) )
    )"""
)
_URL = re.compile(r"//[^\s\"'<>]*")
_QUERY_SECRET = re.compile(
    r"(?i)([?&;][\w.~-]{0,40}(?:token|secret|signature|password|passwd|pwd|credential|auth|key|sig)[\w.~-]{0,40}=)"
    r"[^&;#\s\"'<>]+"
)
_WORD_END = re.compile(r"[\s=:,\"'\\{}\[\]]+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# In lower case: what says that a text which can't be understood is about the values of configuration keys.
_TELLING = (*SECRET_KEYS, "changeconfiguration", "configurationkey")
# Rules whose details name the action and the field and never show a value of a configuration key.
_OF_PAYLOADS = frozenset({"bad-request", "bad-result", "late-reply"})


class Redaction:
    """Takes out what is always secret, and beside that the `secrets` of this run, wherever they turn up."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are such as the password of the run; empty ones are none."""
        # The longest first: a secret inside another must not leave the rest of that one standing.
        self._secrets = tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))

    def suspects(self, text: str) -> bool:
        """Might this JSON text hold a secret? Cheap and never wrongly False: most texts need no closer look."""
        # An escape can hide anything, a slash of a URL included.
        if "//" in text or "\\" in text or "authorizationkey" in text.lower():
            return True
        return bool(self._secrets) and any(secret in text for secret in self._secrets)

    def value(self, value: Any) -> Any:
        """A JSON value without its secrets; what has nothing secret in it comes back as it is, not copied."""
        try:
            return self._value(value)
        except RecursionError:
            return MASK

    def line(self, line: str) -> str:
        """Any text with what follows a secret key's name, the credentials of URLs and the secrets masked."""
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        if "//" in line:
            line = _QUERY_SECRET.sub(rf"\1{MASK}", _URL.sub(_masked_url, line))
        return _SECRET_IN_LINE.sub(rf"\1{MASK}", line)

    def broken(self, text: str) -> str:
        """A text that should have been JSON. Where it speaks of configuration, none of it is shown."""
        plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).replace("\\/", "/").replace("\0", "")
        telling = plain.lower()
        if any(word in telling for word in _TELLING):
            return f"{MASK} ({len(text)} characters)"
        shown = self.line(plain)
        # As it came, unless that would show what an escape hid.
        return text if shown == plain and self.line(text) == text else shown

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            shown = self.line(value)
            return value if shown == value else shown
        if isinstance(value, list):
            made = [self._value(inner) for inner in value]
            return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
        if not isinstance(value, dict):
            return value
        if any(map(_is_secret, value.values())):
            # `{"key": "AuthorizationKey", "readonly": false, "value": ...}`, whatever the spelling of `value`.
            masked = {name: inner if _is_open(inner) else MASK for name, inner in value.items()}
        else:
            masked = {name: self._entry(name, inner) for name, inner in value.items()}
        if self._secrets:
            masked = {self.line(name): inner for name, inner in masked.items()}
        if masked.keys() == value.keys() and all(masked[name] is value[name] for name in value):
            return value
        return masked

    def _entry(self, name: str, value: Any) -> Any:
        return MASK if _is_secret(name) and value is not None else self._value(value)


def redacted(value: Any) -> Any:
    """A JSON value (a frame, a payload, an answer) without what is always secret, not copied if there is nothing."""
    return _ALWAYS.value(value)


def redacted_frame(frame: Any, text: str | bytes) -> Any:
    """The same for a frame whose text is at hand, which spares most of them the closer look."""
    return frame if isinstance(text, str) and not _ALWAYS.suspects(text) else _ALWAYS.value(frame)


def redacted_line(line: str) -> str:
    """A line of the shell without what is always secret."""
    return _ALWAYS.line(line)


def redacted_about(text: str, line: str) -> str:
    """What is said of a line of the shell, which may quote any part of it, without what is always secret there."""
    shown = _ALWAYS.line(line)
    if shown == line:
        return text
    hidden = {word for word in _WORD_END.split(line) if word not in shown}
    for word in sorted(hidden, key=len, reverse=True):
        text = text.replace(word, MASK)
    return _ALWAYS.line(text)


def redacted_broken(text: str) -> str:
    """A frame that is no JSON without what is always secret."""
    return _ALWAYS.broken(text)


def redacted_violation(report: ProtocolViolated) -> str:
    """What the CSMS did against the specification, without what is always secret.

    What is said of a frame that can't be understood shows how it begins, which may be a key's value before its name.
    """
    return _ALWAYS.line(report.detail) if report.rule in _OF_PAYLOADS else _ALWAYS.broken(report.detail)


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and name.casefold() in SECRET_KEYS


def _is_open(value: object) -> bool:
    return value is None or isinstance(value, bool) or _is_secret(value)


def _masked_url(found: re.Match[str]) -> str:
    """What stands between `//` and the host's `@`: a name stays, a password goes."""
    rest = found[0][2:]
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    userinfo, at_sign, host = rest[:end].rpartition("@")
    if not at_sign:
        # A password with a raw `/` in it ends the authority early.
        _, at_sign, host = rest.rpartition("@")
        return f"//{MASK}@{host}" if at_sign else found[0]
    name, colon, _ = userinfo.partition(":")
    # With a raw `@` in it the name may be anything.
    shown = f"{name}:{MASK}" if colon and "@" not in name else MASK
    return f"//{shown}@{host}{rest[end:]}"


_ALWAYS = Redaction()
