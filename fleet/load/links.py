"""The links of a run: each charge point's way to the CSMS, with everything shared that can be."""

import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from urllib.parse import urlsplit

from fleet.actors.charge_point import RunLink
from fleet.core.credentials import Credentials, OwnCertificate, password_of
from fleet.core.plan import ChargePointPlan
from fleet.errands.runner import trust_also
from fleet.errors import ConfigurationError
from fleet.link.backoff import Backoff
from fleet.link.endpoint import CertificateFiles, Endpoint, basic_auth, endpoint_url
from fleet.link.websocket import run_link
from fleet.load.config import CsmsConfig
from fleet.load.security import CERTIFICATE_PROFILE, TEXT, TLS_PROFILES, files_of, profile_of, root_of
from fleet.randomness import unit

CONTEXTS_MAX = 64
"""TLS contexts that are kept: charge points that trust the same roots share one, and a fleet is told the same."""


class WebSocketLinks:
    """Makes WebSocket links; raises `ConfigurationError` for a URL, password or CA file that can't be used.

    `password`, if given, stands in for what the configuration names. Without a `url` yet, `aim` has to follow. `issue`
    makes the certificates of charge points where no files are named.

    All links that trust the same roots share one TLS context, or two where some show a certificate and some don't: a
    context is half a MiB with the system's authorities in it, and a certificate is kept by the connection that it was
    loaded for.
    """

    def __init__(
        self,
        url: str | None,
        config: CsmsConfig,
        seed: int,
        subprotocol: str,
        password: str | None = None,
        issue: Callable[[str], OwnCertificate] | None = None,
    ) -> None:
        self._url = ""
        self._config = config
        self._seed = seed
        self._subprotocols = (subprotocol,)
        self._password = config.password() if password is None else password
        self._issue = issue
        self._profile = profile_of(config, password=self._password is not None)
        self._backoff = Backoff(base_s=config.backoff_base_s, cap_s=config.backoff_max_s)
        self._trusting = lru_cache(CONTEXTS_MAX)(self._context)
        if config.secure_url is not None or (url or "").startswith("wss:"):
            # Said at once if it can't be used.
            self._trusting((), False)
        if url is not None:
            self.aim(url)

    def aim(self, url: str) -> None:
        """Where the links made from now on lead to."""
        endpoint_url(url, "CP")
        self._url = url

    def __call__(self, plan: ChargePointPlan, incarnation: int) -> RunLink:
        endpoint_for = partial(self._endpoint, plan.id)
        # A life of its own draws of its own; the count keeps the draws of one life apart.
        jitter = partial(_drawn, self._seed, f"{plan.id}/{incarnation}/backoff")
        draw = partial(_drawn, self._seed, f"{plan.id}/{incarnation}/faults")
        return partial(
            run_link,
            endpoint_for(Credentials(self._profile), ()),
            jitter=jitter,
            backoff=self._backoff,
            endpoint_for=endpoint_for,
            draw=draw,
        )

    def _endpoint(self, charge_point_id: str, credentials: Credentials, roots: tuple[str, ...]) -> Endpoint:
        """Where to connect with these credentials, what to show there, and whom to trust beside those of the run."""
        profile, url = credentials.security_profile, self._url
        if profile in TLS_PROFILES and self._config.secure_url is not None:
            url = self._config.secure_url
        url = endpoint_url(url, charge_point_id)
        secure, shows = urlsplit(url).scheme == "wss", profile == CERTIFICATE_PROFILE
        key = credentials.authorization_key
        password: str | bytes | None = self._password
        if key is not None:
            password = key if self._config.authorization_key_form == TEXT else password_of(key)
        return Endpoint(
            url,
            self._subprotocols,
            () if password is None or shows else (basic_auth(charge_point_id, password),),
            self._trusting(roots, shows) if secure else None,
            self._certificate(charge_point_id, credentials) if secure and shows else None,
        )

    def _certificate(self, charge_point_id: str, credentials: Credentials) -> CertificateFiles | OwnCertificate | None:
        if credentials.certificate is not None:
            return credentials.certificate
        return files_of(self._config, charge_point_id) if self._issue is None else self._issue(charge_point_id)

    def files_context(self) -> ssl.SSLContext:
        """TLS for servers of files: what vouches for the CSMS does so for them, and the system's authorities too.

        Of its own, as an HTTP client changes the context that it is given.
        """
        context = _ssl_context(self._config)
        context.load_default_certs()
        return context

    def _context(self, roots: tuple[str, ...], shows: bool) -> ssl.SSLContext:
        """TLS that trusts these roots (PEM) too; one of its own for those who show a certificate."""
        context = _ssl_context(self._config)
        trust_also(context, roots)
        return context


def _drawn(seed: int, name: str, what: int | str) -> float:
    return unit(seed, f"{name}/{what}")


def _ssl_context(config: CsmsConfig) -> ssl.SSLContext:
    """What TLS is made with; without a root the system's authorities vouch for the CSMS."""
    root = root_of(config)
    try:
        context = ssl.create_default_context(cafile=root)
    except (OSError, ssl.SSLError) as error:
        why = "no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror or error
        name, hint = (
            ("csms.ca_file", "") if config.ca_file else ("csms.tls", ": expected a folder made by `fleet certs`")
        )
        raise ConfigurationError(f"{name}: can't use {root}: {why}{hint}") from None
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
