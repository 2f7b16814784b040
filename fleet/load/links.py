"""The links of a run: each charge point's way to the CSMS, with everything shared that can be."""

import ssl
from functools import partial

from fleet.actors.charge_point import RunLink
from fleet.core.plan import ChargePointPlan
from fleet.errors import ConfigurationError
from fleet.link.backoff import Backoff
from fleet.link.endpoint import Endpoint, basic_auth, endpoint_url
from fleet.link.websocket import run_link
from fleet.load.config import CsmsConfig
from fleet.randomness import unit


class WebSocketLinks:
    """Makes WebSocket links; raises `ConfigurationError` for a URL, password or CA file that can't be used.

    `password`, if given, stands in for what the configuration names. Without a `url` yet, `aim` has to follow.
    """

    def __init__(
        self, url: str | None, config: CsmsConfig, seed: int, subprotocol: str, password: str | None = None
    ) -> None:
        self._url = ""
        self._seed = seed
        self._subprotocols = (subprotocol,)
        self._password = config.password() if password is None else password
        self._backoff = Backoff(base_s=config.backoff_base_s, cap_s=config.backoff_max_s)
        self._ssl_context = _ssl_context(config.ca_file)
        if url is not None:
            self.aim(url)

    def aim(self, url: str) -> None:
        """Where the links made from now on lead to."""
        endpoint_url(url, "CP")
        self._url = url

    def __call__(self, plan: ChargePointPlan, incarnation: int) -> RunLink:
        headers = () if self._password is None else (basic_auth(plan.id, self._password),)
        endpoint = Endpoint(endpoint_url(self._url, plan.id), self._subprotocols, headers, self._ssl_context)
        # A life of its own draws of its own; the count keeps the draws of one life apart.
        jitter = partial(_jitter, self._seed, f"{plan.id}/{incarnation}/backoff")
        return partial(run_link, endpoint, jitter=jitter, backoff=self._backoff)


def _jitter(seed: int, name: str, failures: int) -> float:
    return unit(seed, f"{name}/{failures}")


def _ssl_context(ca_file: str | None) -> ssl.SSLContext | None:
    """One context for all links; None leaves it to the link to verify against the system's authorities."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"csms.ca_file: can't use {ca_file}: {error}") from None
