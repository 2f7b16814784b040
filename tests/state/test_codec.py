"""Memories to text and back: nothing is lost, and no instant stays on a clock that has ended."""

import math
import operator
from enum import StrEnum
from typing import Any

import attrs
import orjson
import pytest
from attrs import define, evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

from fleet.commands.impairments import Impair, NetworkFault
from fleet.commands.vocabulary import EV
from fleet.core.answers import CertificateHash, FilePlace, FirmwareWanted, IdTagInfo, SignedFirmwareWanted
from fleet.core.certificates import CertificateStore, KnownCertificate
from fleet.core.credentials import Credentials, OwnCertificate
from fleet.core.ev import Curve, curve
from fleet.core.local_list import LocalList
from fleet.core.memory import Cable, ChargePointMemory, ConnectorMemory, UpdateMemory
from fleet.core.meter import Meter
from fleet.core.notices import Notice, NoticeKind
from fleet.core.profiles import Installed, Kind, Period, Profile, Purpose, RateUnit, Recurrency, Schedule
from fleet.core.quartz import Quartz
from fleet.core.reports import (
    MeterSampled,
    Reading,
    SampledValue,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.core.reservation import Reservation
from fleet.core.transaction import Transaction
from fleet.ocpp.outbox import Outbox, Outgoing
from fleet.state.codec import SCHEMA, Codec, Unreadable, classes_of, fingerprint, is_instant, types_of
from fleet.state.page import REST, Writing
from fleet.words import (
    AuthorizationStatus,
    ConnectorStatus,
    ErrorCode,
    Measurand,
    Phase,
    ReadingContext,
    RelayFault,
    StopReason,
)
from fleet.words.security import CertificateUse, HashAlgorithm

HERE, THERE = 1_795_348_800.0, 1_795_340_000.0
"""Offsets of two processes' clocks; whole, so that nothing is lost on the way."""
LATER_S = HERE - THERE
"""By how much an instant is later on the other clock."""


def full_memory() -> ChargePointMemory:
    """A charge point in the middle of everything."""
    reading = Reading(
        100.5,
        ReadingContext.SAMPLE_PERIODIC,
        (
            SampledValue(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 1234.5),
            SampledValue(Measurand.CURRENT_IMPORT, 16.0, Phase.L1),
        ),
    )
    started = TransactionStarted(1, 90.25, "4", "TAG", 1200, 3)
    stopped = TransactionStopped(2, 95.0, "3", 777, StopReason.EV_DISCONNECTED, "TAG", (reading,))
    charging = Meter(1200.0)
    charging.start(curve(EV(battery_wh=50_000, soc=0.5), 0.5, 0.0, 7_200.0), 90.25)
    broken = Meter(777.0)
    broken.shift(5.0, 60.0)
    broken.stick(61.0)
    waiting = Meter(5.0)
    waiting.start(curve(EV(), 0.5, 0.0, 0.0), 80.0)
    place = FilePlace("ftp://files/fw", 3, 60)
    profile = Profile(
        *(7, 2, Purpose.TX_PROFILE, Kind.RECURRING),
        Schedule(RateUnit.A, (Period(0, 16.0), Period(600, 6.5, 1)), 3600, HERE + 1, 6.0),
        *(Recurrency.DAILY, HERE, HERE + 1e6, 42),
    )
    root = KnownCertificate(
        CertificateUse.CENTRAL_SYSTEM_ROOT, "PEM", (CertificateHash(HashAlgorithm.SHA256, "ab", "cd", "1f"),)
    )
    own = OwnCertificate("chain", "key")
    notice = Notice(NoticeKind.SECURITY, "StartupOfTheDevice", HERE, None, "info", 1)
    signed = SignedFirmwareWanted(5, place, HERE + 10, "certificate", "signature", HERE + 99.5)
    sample = MeterSampled(1, reading, "4", 7200.0, 1234.5)
    return ChargePointMemory(
        outbox=Outbox(
            [
                Outgoing("StopTransaction", {"meterStop": 777}, 95.0, "3", True, stopped, sent=2, order=4),
                Outgoing("StartTransaction", {"idTag": "TÄG"}, 90.25, "4", context=started, attempts=1, order=5),
                Outgoing("MeterValues", {"values": [1, 2.5, None]}, 100.5, "4", True, not_before=160.0, order=7),
            ],
            {"3": 0, "2": 2**62},
            8,
        ),
        connectors=(
            ConnectorMemory(
                charging,
                transaction=Transaction("4", 1, "TAG", 1200, 90.25, "PARENT", 9, [reading]),
                cable=Cable.PLUGGED,
                ev=EV(energy_wanted_wh=8000),
                plugged_wh=1200.0,
                relay=RelayFault.CLOSED,
                stray_wh=3,
            ),
            ConnectorMemory(broken, True, cable=Cable.EV_SIDE_OPEN, cut_at=50.125, lock_fails=True),
            ConnectorMemory(waiting, reservation=Reservation(3, 3, "TAG", HERE + 600, "PARENT")),
        ),
        configuration={"HeartbeatInterval": "60", "AuthorizationKey": "secret ✓"},
        id_tags={"tag": IdTagInfo(AuthorizationStatus.BLOCKED, "PARENT", HERE)},
        local_list=LocalList(3, {"a": IdTagInfo(AuthorizationStatus.ACCEPTED)}),
        reservations={3: Reservation(3, 3, "TAG", HERE + 600, "PARENT"), -1: Reservation(-1, 0, "B", HERE)},
        unheard=[sample, started, StatusChanged(1, 7.0, ConnectorStatus.FAULTED, ErrorCode.OTHER_ERROR, "i", "v")],
        starts_wh={"3": 700, "4": 1200},
        profiles=[Installed(1, profile, HERE, "4")],
        inoperative=True,
        away=True,
        emergency=True,
        quartz=Quartz(0.01, -3.0, 12.5),
        certificate=own,
        proposed=Credentials(3, "secret", own),
        notices=(notice,),
        security_log=(notice, evolve(notice, kind=NoticeKind.SIGNED_FIRMWARE, request_id=5)),
        firmware_version="2.0",
        update=UpdateMemory(signed, "2.1"),
        taken_out=(1, 3),
        installation_fails=True,
        certificates=CertificateStore((root,), "pending"),
        impairments=((Impair(NetworkFault.STALL, 45.0), math.inf),),
        transactions_begun=4,
        incarnation=2_000_003,
    )


def written(memory: ChargePointMemory, offset_s: float = HERE) -> tuple[dict[str, bytes], list[bytes]]:
    writing = Writing(Codec(offset_s))
    parts = {name: orjson.dumps(simplify(getattr(memory, name))) for name, simplify in writing.large}
    parts[REST] = writing.rest(memory, "on")
    return parts, [writing.message(message) for message in memory.outbox.messages]


def read(parts: dict[str, bytes], messages: list[bytes], offset_s: float = HERE) -> ChargePointMemory:
    return Writing(Codec(offset_s)).read(parts, messages)[0]


def flat(value: Any) -> Any:
    """Comparable, also where a class compares by identity."""
    if attrs.has(type(value)):
        return type(value).__name__, {each.name: flat(getattr(value, each.name)) for each in attrs.fields(type(value))}
    if isinstance(value, dict):
        return {key: flat(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [flat(each) for each in value]
    return value


# ---- there and back --------------------------------------------------------------------------------------------------


def test_nothing_of_a_memory_is_left_at_its_default_here() -> None:
    """Who adds something to a memory adds it to this test."""
    memory, blank = full_memory(), ChargePointMemory.blank(1)
    for each in attrs.fields(ChargePointMemory):
        assert flat(getattr(memory, each.name)) != flat(getattr(blank, each.name)), each.name
    for each in attrs.fields(ConnectorMemory):
        assert any(
            flat(getattr(one, each.name)) != flat(getattr(ConnectorMemory(), each.name)) for one in memory.connectors
        )


def test_a_memory_comes_back_as_it_was() -> None:
    memory = full_memory()
    assert flat(read(*written(memory))) == flat(memory)
    update = UpdateMemory(FirmwareWanted(FilePlace("http://files/fw"), HERE))
    memory.update = update
    assert read(*written(memory)).update == update
    assert flat(read(*written(ChargePointMemory.blank(2)))) == flat(ChargePointMemory.blank(2))


def test_what_was_shared_by_identity_needs_no_sharing() -> None:
    """A reservation is in two places, and is known by what it says."""
    memory = read(*written(full_memory()))
    assert memory.connectors[2].reservation == memory.reservations[3]


def test_instants_come_back_on_the_clock_of_the_reader() -> None:
    memory = read(*written(full_memory(), HERE), THERE)
    before = full_memory()
    one, other = memory.connectors[0], before.connectors[0]
    assert one.meter.reading_wh(100.0 + LATER_S) == other.meter.reading_wh(100.0) > 1200
    assert one.meter.ends_at == other.meter.ends_at + LATER_S
    assert one.transaction is not None
    assert (one.transaction.started_at, one.cut_at) == (90.25 + LATER_S, None)
    assert one.transaction.readings is not None
    assert one.transaction.readings[0].at == 100.5 + LATER_S
    assert memory.connectors[1].cut_at == 50.125 + LATER_S
    assert memory.connectors[2].meter.ends_at == math.inf
    assert [each.due_at for each in memory.outbox.messages] == [95 + LATER_S, 90.25 + LATER_S, 100.5 + LATER_S]
    assert [each.not_before for each in memory.outbox.messages] == [-math.inf, -math.inf, 160.0 + LATER_S]
    stopped = memory.outbox.messages[0].context
    assert isinstance(stopped, TransactionStopped)
    assert (stopped.at, stopped.readings[0].at) == (95 + LATER_S, 100.5 + LATER_S)
    assert memory.quartz == Quartz(0.01, -3.0, 12.5 + LATER_S)
    assert isinstance(memory.unheard[0], MeterSampled)
    assert memory.unheard[0].reading.at == 100.5 + LATER_S
    # UTC stays what it is.
    assert (memory.profiles, memory.reservations) == (before.profiles, before.reservations)
    assert (memory.notices, memory.update) == (before.notices, before.update)


NUMBERS = st.floats(allow_nan=False, allow_infinity=True)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    float: NUMBERS,
    str: st.text(st.characters(codec="utf-8"), max_size=8),
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
}


SHARES, POSITIVE = st.floats(0, 1, exclude_min=True), st.floats(1, 1e9)
VALID: dict[type, st.SearchStrategy[Any]] = {
    EV: st.builds(EV, POSITIVE, SHARES, POSITIVE | st.just(math.inf), st.none() | POSITIVE, SHARES),
    Impair: st.builds(Impair, st.sampled_from(NetworkFault), st.none() | POSITIVE, SHARES),
}
"""Of classes that check what they are made of."""


def any_of(cls: type) -> st.SearchStrategy[Any]:
    """Anything that its declared types allow."""
    if cls in VALID:
        return VALID[cls]
    built: st.SearchStrategy[Any] = st.deferred(
        lambda: st.fixed_dictionaries({name: of_type(name, each) for name, each in types_of(cls).items()}).map(
            lambda values: made(cls, values)
        )
    )
    return built


def made(cls: type, values: dict[str, Any]) -> Any:
    one = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(one, name, value)
    return one


def of_type(name: str, declared: Any) -> st.SearchStrategy[Any]:
    if name == "payload":
        return st.dictionaries(SCALARS[str], SCALARS[int] | SCALARS[str] | st.none(), max_size=2)
    if is_instant(name) and declared in (float, float | None):
        # Such as two additions leave alone.
        instants = st.integers(-(10**9), 10**9).map(float) | st.sampled_from([math.inf, -math.inf])
        return instants if declared is float else st.none() | instants
    if declared in SCALARS:
        return SCALARS[declared]
    if declared is type(None):
        return st.none()
    if isinstance(declared, type) and attrs.has(declared):
        return any_of(declared)
    if isinstance(declared, type):
        return st.sampled_from(list(declared))
    arguments = getattr(declared, "__args__", ())
    origin = getattr(declared, "__origin__", None)
    if origin is dict:
        return st.dictionaries(of_type("", arguments[0]), of_type("", arguments[1]), max_size=2)
    if origin is list:
        return st.lists(of_type("", arguments[0]), max_size=2)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(of_type("", arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(of_type("", each) for each in arguments))
    return st.one_of(*(of_type(name, each) for each in arguments))


BELOW = [each for each in classes_of(ChargePointMemory) if each not in (ChargePointMemory, Outbox)]


@pytest.mark.parametrize("cls", BELOW, ids=lambda cls: cls.__name__)
def test_whatever_is_in_a_memory_comes_back(cls: type) -> None:
    codec = Codec(HERE)
    write = codec.simplifier(cls)

    # What it would be shrunk to says no more than what was found, and takes minutes.
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), phases=[Stage.generate])
    @given(any_of(cls))
    def comes_back(one: Any) -> None:
        assert flat(codec.read(orjson.loads(orjson.dumps(write(one))), cls)) == flat(one)

    comes_back()


# ---- instants, by their names ----------------------------------------------------------------------------------------


def test_these_are_all_the_instants_that_a_memory_has() -> None:
    """Who adds an attribute that is one, or that is called as one, decides here that it is."""
    found = {
        f"{cls.__name__}.{name}"
        for cls in classes_of(ChargePointMemory)
        if cls is not Curve
        for name in types_of(cls)
        if is_instant(name)
    }
    of_reports = {f"{cls}.at" for cls in _REPORTS}
    assert found == of_reports | {
        *("ConnectorMemory.cut_at", "Meter._started_at", "Transaction.started_at", "Quartz.since"),
        *("Outgoing.due_at", "Outgoing.not_before", "Reading.at"),
    }


_REPORTS = (
    *("StatusChanged", "CableChanged", "AuthorizationRequested", "TransactionStarted", "TransactionStopped"),
    *("IdTagRefused", "PowerChanged", "RegisterMoved"),
)


def test_every_other_number_says_what_it_is_by_its_unit() -> None:
    """A float that is no instant is a quantity: its name ends in a unit, or it is one of these few."""
    units = ("_s", "_wh", "_w", "_per_s")
    plain = {
        *("SampledValue.value", "EV.soc", "EV.taper_from_soc", "Quartz.drift", "Period.limit", "Schedule.min_rate"),
        *("Impair.probability",),
        # Their ends: nothing of the network outlasts its run.
        "ChargePointMemory.impairments",
    }
    others = {
        f"{cls.__name__}.{name}"
        for cls in classes_of(ChargePointMemory)
        if cls is not Curve
        for name, declared in types_of(cls).items()
        if "float" in str(declared) and not is_instant(name) and not name.endswith(units)
    } | {"Schedule.min_rate"}
    assert others - {"EV.soc", "EV.taper_from_soc"} <= plain
    for cls in classes_of(ChargePointMemory):
        for name, declared in types_of(cls).items():
            assert not is_instant(name) or cls is Curve or declared in (float, float | None), f"{cls.__name__}.{name}"


# ---- what was written with other classes -----------------------------------------------------------------------------


def test_other_attributes_types_or_words_are_another_schema() -> None:
    @define
    class Inner:
        word: ConnectorStatus
        number: int = 0

    def root(inner: type, name: str = "one") -> type:
        return attrs.make_class("Root", {name: attrs.field(type=inner)})

    @define
    class InnerWithMore(Inner):
        more: str = ""

    InnerWithMore.__qualname__ = Inner.__qualname__
    other_words = attrs.make_class("Inner", {"word": attrs.field(type=ErrorCode), "number": attrs.field(type=int)})
    other_words.__qualname__ = Inner.__qualname__
    schemas = [fingerprint(each) for each in (root(Inner), root(InnerWithMore), root(Inner, "two"), root(other_words))]
    assert len(set(schemas)) == 4
    assert fingerprint(root(Inner)) == schemas[0]
    assert fingerprint(ChargePointMemory) == SCHEMA


def test_a_word_more_in_an_enumeration_is_another_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.state.codec.types_of", lambda cls: {"cable": Cable if cls is ConnectorMemory else int})
    before = fingerprint(ConnectorMemory)
    more = StrEnum("Cable", {**{each.name: each.value for each in Cable}, "GONE": "gone"})
    monkeypatch.setattr("fleet.state.codec.types_of", lambda cls: {"cable": more if cls is ConnectorMemory else int})
    assert fingerprint(ConnectorMemory) != before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts, messages: parts.pop(REST),
        lambda parts, messages: parts.pop("profiles"),
        lambda parts, messages: parts.update(more=b"[]"),
        lambda parts, messages: parts.update(profiles=b"no json"),
        lambda parts, messages: parts.update(profiles=b'{"a": 1}'),
        lambda parts, messages: parts.update(notices=b'[{"kind": "security"}]'),
        lambda parts, messages: parts.update({REST: parts[REST].replace(b'"emergency":true,', b"")}),
        lambda parts, messages: parts.update({REST: parts[REST].replace(b'"emergency"', b'"urgency"')}),
        lambda parts, messages: parts.update({REST: parts[REST].replace(b'"plugged"', b'"plucked"')}),
        lambda parts, messages: parts.update(
            {REST: parts[REST].replace(b'"type":"MeterSampled"', b'"type":"Nothing"')}
        ),
        lambda parts, messages: parts.update({REST: parts[REST].replace(b'"power":"on"', b'"power":"maybe"')}),
        lambda parts, messages: parts.update({REST: b"[]"}),
        lambda parts, messages: messages.reverse(),
        lambda parts, messages: messages.append(messages[-1]),
        lambda parts, messages: messages.append(b"{}"),
        lambda parts, messages: operator.setitem(messages, 0, messages[0].replace(b'"due_at"', b'"done_at"')),
        lambda parts, messages: operator.setitem(messages, 0, messages[0].replace(b'{"meterStop":777}', b"[]")),
    ],
)
def test_what_is_not_as_it_is_written_here_is_not_read(spoil: Any) -> None:
    parts, messages = written(full_memory())
    before = dict(parts), list(messages)
    spoil(parts, messages)
    assert (parts, messages) != before
    with pytest.raises(Unreadable):
        read(parts, messages)
