"""Redaction: what passes a monitor or a log without its secrets.

AuthorizationKey is the password of HTTP basic authentication (OCPP 1.6 security profile 1): the CSMS sets it by
ChangeConfiguration, and whoever reads a log over somebody's shoulder need not know it.
"""

import re
from typing import Any

SECRET_KEYS = frozenset({"authorizationkey"})
MASK = "***"

_SECRET_IN_LINE = re.compile(
    r"""(?i)\b(authorizationkey["']?\s*[\s=:,]\s*(?:["']?value["']?\s*[:=]\s*)?)("[^"]*"?|'[^']*'?|[^\s}]+)"""
)


def redacted(value: Any) -> Any:
    """A JSON value (a frame, a payload, an answer) with the values of secret configuration keys masked.

    What has nothing secret in it comes back as it is, not copied.
    """
    if isinstance(value, list):
        made = [redacted(inner) for inner in value]
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    if _is_secret(value.get("key")) and "value" in value:
        return {**value, "value": MASK}
    made_ = {name: MASK if _is_secret(name) and inner is not None else redacted(inner) for name, inner in value.items()}
    return made_ if any(made_[name] is not value[name] for name in value) else value


def redacted_line(line: str) -> str:
    """A line of the shell with what follows a secret key's name masked."""
    return _SECRET_IN_LINE.sub(rf"\1{MASK}", line)


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and name.casefold() in SECRET_KEYS
