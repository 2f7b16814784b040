"""A trial of credentials: whose turn it is, and when that changes."""

import pytest

from fleet.core.credentials import ATTEMPTS, REFUSALS, Credentials, OwnCertificate, Trial, password_of

OLD, NEW = Credentials(1, "the-old-password"), Credentials(2, "the-new-password")


def turns(*reasons: str) -> list[Credentials]:
    """The credentials that each attempt was made with, and those of the next one."""
    trial = Trial(OLD, NEW)
    made = [trial.credentials]
    for reason in reasons:
        before = trial.credentials
        assert trial.failed(reason) == (trial.credentials != before)
        made.append(trial.credentials)
    return made


def test_the_new_ones_go_first() -> None:
    assert turns() == [NEW]


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_a_refusal_is_the_others_turn_at_once(reason: str) -> None:
    assert turns(reason) == [NEW, OLD]


@pytest.mark.parametrize("reason", ["refused", "timeout", "dns", "http-503", "handshake"])
def test_a_csms_that_is_not_there_has_said_nothing_yet(reason: str) -> None:
    assert turns(*[reason] * (ATTEMPTS - 1)) == [NEW] * ATTEMPTS
    assert turns(*[reason] * ATTEMPTS)[-1] == OLD


def test_while_neither_gets_in_both_are_tried_again_and_again() -> None:
    assert turns("refused", "refused", "refused", "http-401", "http-401", "http-401") == [
        *(NEW, NEW, NEW),
        *(OLD, NEW, OLD, NEW),
    ]


def test_failures_of_one_do_not_count_against_the_other() -> None:
    assert turns("refused", "refused", "tls", "refused", "refused") == [NEW, NEW, NEW, OLD, OLD, OLD]


def test_no_secret_is_in_what_is_printed_of_them() -> None:
    shown = repr(Trial(OLD, Credentials(3, "the-new-password", OwnCertificate("the chain", "the private key"))))
    assert "password" not in shown
    assert "private" not in shown
    assert "the chain" in shown


@pytest.mark.parametrize(
    ("key", "password"),
    [
        ("00ff" * 10, bytes.fromhex("00ff" * 10)),
        ("646B327130726675327130662D326630726467", b"dk2q0rfu2q0f-2f0rdg"),
        ("0123456789abcdef" * 2, bytes.fromhex("0123456789abcdef" * 2)),
        # Too few digits for a password of 16 bytes, half a byte, and no digits at all.
        ("0123456789abcdef", b"0123456789abcdef"),
        ("a" * 33, b"a" * 33),
        ("z" * 40, b"z" * 40),
        ("pässword-of-letters", "pässword-of-letters".encode()),
    ],
)
def test_an_authorization_key_of_32_to_40_hex_digits_stands_for_the_bytes_of_the_password(
    key: str, password: bytes
) -> None:
    assert password_of(key) == password
