"""The nine statuses of a connector, as two tables.

`MOVES` is the specification's own table (OCPP 1.6 section 4.9): from which status to which a connector may go, under
which transition id, and why. A pair that has no transition there has no row here. The machine in
`connector.py` has one method that assigns a status, it looks here first, and an illegal move is a bug that crashes.

`ORDERS` says which order is heard in which status and where it may lead. The machine's guards (is there a cable, whose
tag is it) pick among the targets; a target equal to the status means that the connector stays what it is. A pair
without a row is a refusal, and a refusal changes nothing. What is legal in one order may take two moves: Finishing with
a granted tag goes over Preparing (F2) to Charging (B3).

Reserved is what nobody but the charge point can make a connector: for whom, and whether it still is, are its affairs.
A cable changes nothing of it; the right id tag does (G2).
"""

from collections.abc import Mapping
from typing import Final

from fleet.commands.hazards import BreakMeter, BreakRelay, FailLock
from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    ConnectorCommand,
    Crash,
    InjectFault,
    PlugIn,
    Resume,
    SetEV,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.orders import (
    ApplySettings,
    BindTransaction,
    ConnectorOrder,
    DenyAuthorization,
    GrantAuthorization,
    LimitPower,
    Release,
    Reserve,
    StopEnergy,
    TakeReading,
)
from fleet.words import ConnectorStatus

AVAILABLE: Final = ConnectorStatus.AVAILABLE
PREPARING: Final = ConnectorStatus.PREPARING
CHARGING: Final = ConnectorStatus.CHARGING
SUSPENDED_EV: Final = ConnectorStatus.SUSPENDED_EV
SUSPENDED_EVSE: Final = ConnectorStatus.SUSPENDED_EVSE
FINISHING: Final = ConnectorStatus.FINISHING
RESERVED: Final = ConnectorStatus.RESERVED
UNAVAILABLE: Final = ConnectorStatus.UNAVAILABLE
FAULTED: Final = ConnectorStatus.FAULTED

MOVES: Mapping[ConnectorStatus, Mapping[ConnectorStatus, str]] = {
    AVAILABLE: {
        PREPARING: "A2",  # somebody plugs in, or a tag is granted
        CHARGING: "A3",  # a charge point that needs no authorisation
        SUSPENDED_EV: "A4",  # the same, and the car takes nothing
        SUSPENDED_EVSE: "A5",  # the same, and the charge point offers nothing
        RESERVED: "A7",
        UNAVAILABLE: "A8",  # set inoperative
        FAULTED: "A9",
    },
    PREPARING: {
        AVAILABLE: "B1",  # cable out, tag presented again, or ConnectionTimeOut without a cable
        CHARGING: "B3",  # cable and tag are both there
        SUSPENDED_EV: "B4",  # the same, but the car takes nothing
        SUSPENDED_EVSE: "B5",  # the same, but the charge point offers nothing
        FINISHING: "B6",  # a cable without a tag for too long; no key sets that time, so we wait for ever
        FAULTED: "B9",
    },
    CHARGING: {
        AVAILABLE: "C1",  # over, and nothing left to do: a fixed cable was pulled out of the car
        SUSPENDED_EV: "C4",  # the car stops asking
        SUSPENDED_EVSE: "C5",  # the charge point stops offering
        FINISHING: "C6",  # stopped, but the cable is still in
        UNAVAILABLE: "C8",  # stopped, and set inoperative meanwhile
        FAULTED: "C9",
    },
    SUSPENDED_EV: {
        AVAILABLE: "D1",
        CHARGING: "D3",  # the car asks again
        SUSPENDED_EVSE: "D5",  # now the charge point offers nothing either, which takes precedence
        FINISHING: "D6",
        UNAVAILABLE: "D8",
        FAULTED: "D9",
    },
    SUSPENDED_EVSE: {
        AVAILABLE: "E1",
        CHARGING: "E3",  # offered again
        SUSPENDED_EV: "E4",  # offered again, but the car takes nothing
        FINISHING: "E6",
        UNAVAILABLE: "E8",
        FAULTED: "E9",
    },
    FINISHING: {
        AVAILABLE: "F1",  # the cable is out
        PREPARING: "F2",  # the cable stays for another transaction
        UNAVAILABLE: "F8",
        FAULTED: "F9",
    },
    RESERVED: {
        AVAILABLE: "G1",
        PREPARING: "G2",
        UNAVAILABLE: "G8",
        FAULTED: "G9",
    },
    UNAVAILABLE: {
        AVAILABLE: "H1",  # set operative
        PREPARING: "H2",  # set operative with a cable in
        CHARGING: "H3",
        SUSPENDED_EV: "H4",
        SUSPENDED_EVSE: "H5",
        FAULTED: "H9",
    },
    # Back to what it was before the fault, as far as the world still is so.
    FAULTED: {
        AVAILABLE: "I1",
        PREPARING: "I2",
        CHARGING: "I3",
        SUSPENDED_EV: "I4",
        SUSPENDED_EVSE: "I5",
        FINISHING: "I6",
        RESERVED: "I7",
        UNAVAILABLE: "I8",
    },
}

# A transaction runs: which of the three depends on who lets the power flow (B3, B4, B5).
IN_TRANSACTION: Final = (CHARGING, SUSPENDED_EV, SUSPENDED_EVSE)
# A transaction ends: by what is left to do (C6, C1, C8 and their like), or with a lock that doesn't open (C9).
_OVER = (FINISHING, AVAILABLE, UNAVAILABLE, FAULTED)
# It would begin, but the lock doesn't close around the cable (B9).
_BEGUN = (*IN_TRANSACTION, FAULTED)

Rows = Mapping[type, tuple[ConnectorStatus, ...]]


def _everywhere(status: ConnectorStatus) -> Rows:
    """What every connector hears in whatever status: settings, the meter, and what needs no cable and no tag."""
    return {
        ApplySettings: (status,),
        TakeReading: (status,),
        SetPower: (status,),
        LimitPower: (status,),
        SetEV: (status,),
        UnlockConnector: (status,),
        InjectFault: (FAULTED,),
        FailLock: (status,),
        BreakMeter: (status,),
        BreakRelay: (status,),
        Crash: (status,),  # never gets there
    }


def _in_transaction(status: ConnectorStatus) -> Rows:
    """What a connector hears while a transaction runs, in whichever of the three statuses."""
    return {
        **_everywhere(status),
        PlugIn: (status, *IN_TRANSACTION),  # the car's end comes back
        Unplug: (status, SUSPENDED_EV, SUSPENDED_EVSE, *_OVER),
        Swipe: (status, *_OVER),
        StopTransaction: _OVER,
        InjectFault: (FAULTED, SUSPENDED_EVSE),  # the latter where it is but the car that can't be heard
        ClearFault: IN_TRANSACTION,
        ChangeAvailability: (status,),  # takes effect when the transaction ends
        SuspendEV: (SUSPENDED_EV, SUSPENDED_EVSE),
        SuspendEVSE: (SUSPENDED_EVSE,),
        Resume: IN_TRANSACTION,
        SetPower: IN_TRANSACTION,
        LimitPower: IN_TRANSACTION,
        SetEV: IN_TRANSACTION,
        BreakRelay: IN_TRANSACTION,
        UnlockConnector: _OVER,
        GrantAuthorization: _OVER,  # a tag of the same parent stops
        DenyAuthorization: (status,),
        BindTransaction: (status,),
        StopEnergy: (status, SUSPENDED_EVSE),
    }


ORDERS: Mapping[ConnectorStatus, Rows] = {
    AVAILABLE: {
        **_everywhere(AVAILABLE),
        PlugIn: (PREPARING,),
        Swipe: (AVAILABLE,),
        GrantAuthorization: (PREPARING,),
        DenyAuthorization: (AVAILABLE,),
        Reserve: (RESERVED,),
        ChangeAvailability: (AVAILABLE, UNAVAILABLE),
    },
    PREPARING: {
        **_everywhere(PREPARING),
        PlugIn: (PREPARING, *_BEGUN),
        Unplug: (PREPARING, AVAILABLE, RESERVED),  # Reserved again, where somebody comes without a cable and goes
        Swipe: (PREPARING, AVAILABLE, RESERVED),
        StartTransaction: IN_TRANSACTION,
        GrantAuthorization: (PREPARING, *_BEGUN),
        DenyAuthorization: (PREPARING, AVAILABLE, RESERVED),
        Release: (PREPARING,),
        ChangeAvailability: (PREPARING, UNAVAILABLE),
    },
    CHARGING: _in_transaction(CHARGING),
    SUSPENDED_EV: _in_transaction(SUSPENDED_EV),
    SUSPENDED_EVSE: _in_transaction(SUSPENDED_EVSE),
    FINISHING: {
        **_everywhere(FINISHING),
        PlugIn: (PREPARING,),  # the car's end comes back
        Unplug: (FINISHING, AVAILABLE),
        Swipe: (FINISHING,),
        StartTransaction: IN_TRANSACTION,
        GrantAuthorization: (FINISHING, *_BEGUN),
        DenyAuthorization: (FINISHING,),
        ChangeAvailability: (FINISHING, UNAVAILABLE),
    },
    RESERVED: {
        **_everywhere(RESERVED),
        PlugIn: (RESERVED,),  # whoever it is: only a tag ends it
        Unplug: (RESERVED,),
        Swipe: (RESERVED,),
        StartTransaction: IN_TRANSACTION,
        GrantAuthorization: (PREPARING, *_BEGUN),
        DenyAuthorization: (RESERVED,),
        Reserve: (RESERVED,),
        Release: (AVAILABLE, PREPARING),
        ChangeAvailability: (RESERVED, UNAVAILABLE),
    },
    UNAVAILABLE: {
        **_everywhere(UNAVAILABLE),
        Unplug: (UNAVAILABLE,),
        Swipe: (UNAVAILABLE,),  # only for a cable that is locked in
        GrantAuthorization: (UNAVAILABLE, FAULTED),
        DenyAuthorization: (UNAVAILABLE,),
        ChangeAvailability: (UNAVAILABLE, AVAILABLE, PREPARING),
    },
    FAULTED: {
        **_everywhere(FAULTED),
        Unplug: (FAULTED,),
        Swipe: (FAULTED,),
        StopTransaction: (FAULTED,),
        ClearFault: (AVAILABLE, PREPARING, *IN_TRANSACTION, FINISHING, UNAVAILABLE),
        GrantAuthorization: (FAULTED,),  # ends a transaction, unlocks a cable; starts nothing
        DenyAuthorization: (FAULTED,),
        BindTransaction: (FAULTED,),
        StopEnergy: (FAULTED,),
        ChangeAvailability: (FAULTED,),
    },
}

# ---- refusals --------------------------------------------------------------------------------------------------------

CABLE_NEEDED: Final = "Cable must be plugged in before starting transaction"
UNPLUG_FORBIDDEN: Final = "Cannot unplug cable during active transaction"

_NEEDS_TRANSACTION = (StopTransaction, SuspendEV, SuspendEVSE, Resume, BindTransaction, StopEnergy)


def refusal(
    connector: int, status: ConnectorStatus, order: ConnectorCommand | ConnectorOrder, in_transaction: bool
) -> str:
    """Why an order without a row is refused, in one line."""
    if isinstance(order, _NEEDS_TRANSACTION) and not in_transaction:
        return f"No active transaction on connector {connector}"
    match order:
        case StartTransaction() if status is AVAILABLE:
            return CABLE_NEEDED
        case StartTransaction() if status in IN_TRANSACTION:
            return f"Connector {connector} already has an active transaction"
        case Unplug() if status is AVAILABLE:
            return f"No cable is plugged in on connector {connector}"
        case ClearFault():
            return f"No fault on connector {connector}"
        case _:
            return f"Connector {connector} is {status}"
