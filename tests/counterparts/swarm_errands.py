"""Errands in virtual time: how long one takes and what comes of it is a draw, and no file or key is touched."""

import random
from collections.abc import Awaitable, Callable

import trio
from counterparts.swarm_requests import CERTIFICATE_HASH, PEM

from fleet.core.answers import CertificateHash
from fleet.core.certificates import KnownCertificate
from fleet.core.errands import (
    Deliver,
    Done,
    Errand,
    Fetch,
    Fetched,
    JudgeRoot,
    MakeRequest,
    Outcome,
    Recognised,
    RequestMade,
    Undone,
    Why,
)
from fleet.words.security import HashAlgorithm


def errands(draws: random.Random) -> Callable[[Errand], Awaitable[Outcome]]:
    """Who runs a fleet's errands: most of them well."""

    async def run(errand: Errand) -> Outcome:
        await trio.sleep(draws.choice([0.0, 1.0, 30.0]))
        if draws.random() < 0.3:
            return Undone(draws.choice(list(Why)), "as drawn")
        match errand:
            case Fetch():
                return Fetched(1_000, b"\x00" * 32, b"firmware")
            case MakeRequest():
                return RequestMade("-----BEGIN CERTIFICATE REQUEST-----\n", "key")
            case JudgeRoot():
                known = CertificateHash(
                    HashAlgorithm(CERTIFICATE_HASH["hashAlgorithm"]),
                    CERTIFICATE_HASH["issuerNameHash"],
                    CERTIFICATE_HASH["issuerKeyHash"],
                    CERTIFICATE_HASH["serialNumber"],
                )
                return Recognised(KnownCertificate(errand.use, PEM, (known,)))
            case _:
                assert isinstance(errand, Deliver) or type(errand).__name__.startswith("Judge")
                return Done()

    return run
