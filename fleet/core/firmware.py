"""A firmware update as a pure machine: download, verify, wait for its time and for the drivers, install, reboot.

OCPP 1.6 sections 4.5 and 5.19, and section 4.3 of the security white paper for signed firmware, which is told with more
statuses and a request id. The machine is told the time and what came of its errands; it answers with steps, which
`upkeep` takes. It is driven by `proceed`, which may be called at any time and does whatever has become due.

    WAITING ──due──> DOWNLOADING ──> (VERIFYING, if signed) ──> DOWNLOADED ──idle──> INSTALLING ──> REBOOTING
       ^                 │
       └── RETRYING <────┘  as often as `retries` says: retries are those after the first attempt, none if not given

Nothing is installed while a transaction runs: connectors without one go Unavailable as soon as the installation is due,
so that none begins, and the others follow when theirs ends. After a failure they come back, after a reboot too.

What a firmware file is to a simulated charge point: any bytes, at least one. Their head may hold lines `Name: value`
up to an empty line: `Firmware-Version` is what the charge point calls itself after the reboot, and `Install: fail`
(as does an empty file, or `install=fail` in the URL's query) makes the installation fail; so does whoever stands before
the charge point, with any file. Without a version in it, the file's name without its suffix is the version.
"""

import math
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, frozen

from fleet.core.answers import FirmwareWanted, SignedFirmwareWanted
from fleet.core.errands import Done, Errand, Fetch, Fetched, JudgeSignature, Outcome
from fleet.words import FirmwareStatus
from fleet.words.security import SecurityEvent

Wanted = FirmwareWanted | SignedFirmwareWanted

RETRY_INTERVAL_S = 60.0
"""Where the CSMS leaves it to the charge point."""
VERSION_LENGTH_MAX = 50
# A due time that went through the clock's offset and back is off by less.
_ROUNDING_S = 1e-3


class Stage(StrEnum):
    """Where an update is."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    RETRYING = "retrying"
    VERIFYING = "verifying"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    OVER = "over"


# ---- what the machine asks for ---------------------------------------------------------------------------------------


@frozen
class Tell:
    """Tell the CSMS how far it is."""

    status: FirmwareStatus


@frozen
class Begin:
    """Have this errand run; its outcome is for `ended`."""

    errand: Errand


@frozen
class Alarm:
    """A security event."""

    event: SecurityEvent


@frozen
class TakeOut:
    """No transaction may begin any more: every connector goes Unavailable as soon as it can."""


@frozen
class PutBack:
    """The connectors that were taken out are as they were before."""


@frozen
class Activate:
    """Reboot, and be of this version afterwards."""

    version: str


Step = Tell | Begin | Alarm | TakeOut | PutBack | Activate


@frozen
class Image:
    """A firmware file that was downloaded."""

    version: str
    sha256: bytes
    installable: bool

    @classmethod
    def of(cls, url: str, file: Fetched) -> "Image":
        """What the file at `url` is, by its head and its name."""
        header = _header(file.head)
        parts = urlsplit(url)
        fails = header.get("install") == "fail" or "fail" in parse_qs(parts.query).get("install", ())
        stem = unquote(parts.path.rpartition("/")[2]).rpartition(".")
        version = header.get("firmware-version") or stem[0] or stem[2] or "unknown"
        return cls(version[:VERSION_LENGTH_MAX], file.sha256, file.size_bytes > 0 and not fails)


def _header(head: bytes) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in head.decode("ascii", "replace").splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.replace("-", "").isalnum():
            break
        header[name.lower()] = value.strip() if value.isprintable() else ""
    return header


@define
class Update:
    """One update. Instants on the monotonic clock in s; `deadline` is when `proceed` has something to do."""

    wanted: Wanted
    install_s: float
    stage: Stage = Stage.WAITING
    status: FirmwareStatus = FirmwareStatus.IDLE
    deadline: float = -math.inf
    failures: int = 0
    taken_out: bool = False
    image: Image | None = None

    @property
    def signed(self) -> SignedFirmwareWanted | None:
        """The request, if it is for signed firmware."""
        return self.wanted if isinstance(self.wanted, SignedFirmwareWanted) else None

    @property
    def over(self) -> bool:
        """Nothing more comes of it."""
        return self.stage is Stage.OVER

    @property
    def installing(self) -> bool:
        """Too late to call it off."""
        return self.stage in (Stage.INSTALLING, Stage.REBOOTING)

    def proceed(self, now: float, utc_s: float, *, idle: bool, broken: bool = False) -> list[Step]:
        """Do what is due at `now`, which is `utc_s` by the charge point's clock.

        `idle`: no transaction runs, and none can begin because every connector is out of service. `broken`: whatever
        the file, an installation that ends now has failed.
        """
        match self.stage:
            case Stage.WAITING if self._wait(self.wanted.retrieve_utc_s, now, utc_s):
                return self._tell_scheduled(FirmwareStatus.DOWNLOAD_SCHEDULED)
            case Stage.WAITING:
                return self._download()
            case Stage.RETRYING if now >= self.deadline:
                return self._download()
            case Stage.DOWNLOADED:
                return self._install_when_possible(now, utc_s, idle=idle)
            case Stage.INSTALLING if now >= self.deadline:
                return self._installed(broken)
            case _:
                return []

    def ended(self, outcome: Outcome, now: float) -> list[Step]:
        """The errand that was begun last is over."""
        match self.stage:
            case Stage.DOWNLOADING if isinstance(outcome, Fetched):
                self.image = Image.of(self.wanted.place.url, outcome)
                return [self._tell(FirmwareStatus.DOWNLOADED), *self._verify(self.image)]
            case Stage.DOWNLOADING:
                return self._download_failed(now)
            case Stage.VERIFYING if isinstance(outcome, Done):
                self._be(Stage.DOWNLOADED, -math.inf)
                return [self._tell(FirmwareStatus.SIGNATURE_VERIFIED)]
            case Stage.VERIFYING:
                self._be(Stage.OVER)
                return [self._tell(FirmwareStatus.INVALID_SIGNATURE), Alarm(SecurityEvent.INVALID_FIRMWARE_SIGNATURE)]
            case _:
                return []

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _download(self) -> list[Step]:
        self._be(Stage.DOWNLOADING)
        fetch = Begin(Fetch(self.wanted.place.url))
        return [fetch] if self.failures else [self._tell(FirmwareStatus.DOWNLOADING), fetch]

    def _download_failed(self, now: float) -> list[Step]:
        self.failures += 1
        place = self.wanted.place
        if self.failures > (place.retries or 0):
            self._be(Stage.OVER)
            return [self._tell(FirmwareStatus.DOWNLOAD_FAILED)]
        interval_s = RETRY_INTERVAL_S if place.retry_interval_s is None else place.retry_interval_s
        self._be(Stage.RETRYING, now + interval_s)
        return []

    def _verify(self, image: Image) -> list[Step]:
        if self.signed is None:
            self._be(Stage.DOWNLOADED, -math.inf)
            return []
        self._be(Stage.VERIFYING)
        return [Begin(JudgeSignature(self.signed.certificate, self.signed.signature, image.sha256))]

    def _install_when_possible(self, now: float, utc_s: float, *, idle: bool) -> list[Step]:
        install_utc_s = None if self.signed is None else self.signed.install_utc_s
        if install_utc_s is not None and self._wait(install_utc_s, now, utc_s):
            return self._tell_scheduled(FirmwareStatus.INSTALL_SCHEDULED)
        steps: list[Step] = []
        if not self.taken_out:
            self.taken_out = True
            steps.append(TakeOut())
        if not idle:
            # Whoever reports that the last connector is out of service wakes us.
            self.deadline = math.inf
            return steps
        self._be(Stage.INSTALLING, now + self.install_s)
        return [*steps, self._tell(FirmwareStatus.INSTALLING)]

    def _installed(self, broken: bool) -> list[Step]:
        image = self.image
        if image is None or not image.installable or broken:
            self._be(Stage.OVER)
            return [self._tell(FirmwareStatus.INSTALLATION_FAILED), PutBack()]
        self._be(Stage.REBOOTING)
        rebooting = [self._tell(FirmwareStatus.INSTALL_REBOOTING)] if self.signed else []
        return [*rebooting, Activate(image.version)]

    def _wait(self, until_utc_s: float, now: float, utc_s: float) -> bool:
        """Whether that is still to come; then it is the deadline."""
        left_s = until_utc_s - utc_s
        if left_s <= _ROUNDING_S:
            return False
        self.deadline = now + left_s
        return True

    def _tell_scheduled(self, status: FirmwareStatus) -> list[Step]:
        # Unsigned updates have no word for it.
        return [] if self.signed is None or self.status is status else [self._tell(status)]

    def _tell(self, status: FirmwareStatus) -> Tell:
        self.status = status
        return Tell(status)

    def _be(self, stage: Stage, deadline: float = math.inf) -> None:
        self.stage, self.deadline = stage, deadline
