"""What survives a reboot: the flash of a charge point, and the world around it.

A charge point that restarts, by a reset, a power cut or a crash, is a fresh machine built over the same memory. So all
that a machine may forget lives in the machine, and all that it may not forget lives here: the meter's register, the
running transaction, the waiting messages, the keys that the CSMS changed, who is inoperative; and what no reboot
changes because it isn't the charge point's at all: the cable in the socket and the car at its end.

The machines write here last, after everything that could fail, so that a crash leaves either the old or the new.
"""

from enum import StrEnum

from attrs import Factory, define, frozen

from fleet.commands.impairments import Impair
from fleet.commands.vocabulary import EV
from fleet.core.answers import FirmwareWanted, IdTagInfo, SignedFirmwareWanted
from fleet.core.certificates import CertificateStore
from fleet.core.credentials import Credentials, OwnCertificate
from fleet.core.local_list import LocalList
from fleet.core.meter import Meter
from fleet.core.notices import Notice
from fleet.core.profiles import Installed
from fleet.core.quartz import Quartz
from fleet.core.reports import ConnectorReport
from fleet.core.reservation import Reservation
from fleet.core.transaction import Transaction
from fleet.ocpp.exchange import Outbox
from fleet.words import RelayFault


class Cable(StrEnum):
    """Where the cable is. `EV_SIDE_OPEN`: still in the charge point's socket, but no longer in the car."""

    NONE = "none"
    PLUGGED = "plugged"
    EV_SIDE_OPEN = "ev-side-open"


@define
class ConnectorMemory:
    """One connector's share.

    `plugged_wh` is what had passed the meter when the car came, so that what passed since is what this car took, over
    however many transactions and reboots. `cut_at` is when the supply last failed, an instant on the monotonic clock.
    `lock_fails`: the lock jams the next time it is to move. `relay` is what is wrong with the contactor, and `stray_wh`
    the register as last told if energy flowed on after the last transaction, None where it didn't.
    `reservation`: for whom it is kept.
    """

    meter: Meter = Factory(Meter)
    inoperative: bool = False
    transaction: Transaction | None = None
    cable: Cable = Cable.NONE
    ev: EV | None = None
    plugged_wh: float = 0.0
    cut_at: float | None = None
    lock_fails: bool = False
    relay: RelayFault = RelayFault.NONE
    stray_wh: int | None = None
    reservation: Reservation | None = None

    @property
    def cut_off(self) -> bool:
        """The supply failed in the middle of the transaction, and nobody has stopped it since then."""
        return self.transaction is not None and self.cut_at is not None and self.cut_at > self.transaction.started_at


@frozen
class UpdateMemory:
    """A firmware update that isn't over; with a `version` it waits for no more than the reboot into it."""

    wanted: FirmwareWanted | SignedFirmwareWanted
    version: str | None = None


@define
class ChargePointMemory:
    """One charge point's memory; `connectors[0]` is connector 1.

    `configuration` holds the keys that differ from the plan, `id_tags` is the authorisation cache (by id tag in lower
    case) and `local_list` the local authorisation list; `reservations` are by their ids; `unheard` are facts
    that the last life didn't live to deal with; `starts_wh` the register at the start of each transaction that the
    CSMS hasn't closed yet, by key; `inoperative` is connector 0's availability; `transactions_begun`
    numbers the transactions' keys and `incarnation` the restarts. `away`: somebody pulled the network cable;
    `emergency`: somebody pressed the emergency stop, a button that stays in. `quartz`: how its clock is off,
    None where it isn't.
    `profiles` are the charging profiles.
    `certificate` is the one that the CSMS had signed; `proposed` are credentials that have not got it in yet.
    `impairments`: what else is wrong with the network, each with its end on the monotonic clock.

    `notices` wait to be told; `security_log` is what happened to its security; `firmware_version` and `certificates`
    are None as long as they are those of the plan; `update` is under way, and `taken_out` are the connectors that it
    keeps out of service; `installation_fails`: the next installation will.
    """

    outbox: Outbox
    connectors: tuple[ConnectorMemory, ...]
    configuration: dict[str, str] = Factory(dict)
    id_tags: dict[str, IdTagInfo] = Factory(dict)
    local_list: LocalList = Factory(LocalList)
    reservations: dict[int, Reservation] = Factory(dict)
    unheard: list[ConnectorReport] = Factory(list)
    starts_wh: dict[str, int] = Factory(dict)
    profiles: list[Installed] = Factory(list)
    inoperative: bool = False
    away: bool = False
    emergency: bool = False
    quartz: Quartz | None = None
    certificate: OwnCertificate | None = None
    proposed: Credentials | None = None
    notices: tuple[Notice, ...] = ()
    security_log: tuple[Notice, ...] = ()
    firmware_version: str | None = None
    update: UpdateMemory | None = None
    taken_out: tuple[int, ...] = ()
    installation_fails: bool = False
    certificates: CertificateStore | None = None
    impairments: tuple[tuple[Impair, float], ...] = ()
    transactions_begun: int = 0
    incarnation: int = 0

    @classmethod
    def blank(cls, connectors: int) -> "ChargePointMemory":
        """The memory of a charge point fresh from the factory, with this many connectors."""
        return cls(outbox=Outbox(), connectors=tuple(ConnectorMemory() for _ in range(connectors)))

    @property
    def owes(self) -> bool:
        """The CSMS is still to be told something of a transaction."""
        return bool(self.outbox.messages or self.unheard or any(each.transaction for each in self.connectors))

    def put_up_again(self, connectors: int) -> None:
        """The charge point comes back from the store: no cable is in it, and it may have other hardware.

        What it owed the CSMS it still owes, and no key is ever used twice. Connectors that it didn't have before are
        blank, those that it no longer has are forgotten.
        """
        self.away = False
        self.impairments = ()
        kept = self.connectors[:connectors]
        for connector in kept:
            connector.cable, connector.ev, connector.reservation = Cable.NONE, None, None
        self.reservations = {id: each for id, each in self.reservations.items() if each.connector <= connectors}
        self.connectors = (*kept, *(ConnectorMemory() for _ in range(connectors - len(kept))))

    def new_transaction_key(self) -> str:
        """A key that no other transaction of this charge point ever had."""
        self.transactions_begun += 1
        return str(self.transactions_begun)

    def power_cut(self, now: float) -> None:
        """The supply is gone: every relay opens and every meter stops at this instant, which is the last in memory.

        Charge points write register and time down every few minutes or, with a capacitor that lasts for one more
        write, as the supply goes. Ours have that capacitor: when they are back, they know to the Wh and to the
        millisecond what a transaction had come to. Should it fail again before they are quite back, that stays so.
        """
        for connector in self.connectors:
            connector.meter.stop(now)
            if not connector.cut_off:
                connector.cut_at = now
