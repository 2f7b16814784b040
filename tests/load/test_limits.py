import resource
import subprocess
import sys

import pytest

from fleet.errors import ConfigurationError
from fleet.load.limits import DESCRIPTORS_BESIDE, Limits, limits, require


def in_a_process_limited_to(soft: int, hard: int, code: str) -> str:
    """What the code prints in a process of its own with these limits on file descriptors."""
    preamble = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
    done = subprocess.run(
        [sys.executable, "-c", preamble + code], capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def test_the_soft_limit_is_raised_when_the_hard_one_allows_it() -> None:
    printed = in_a_process_limited_to(
        100,
        500,
        "from fleet.load.limits import require\nrequire(300)\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))",
    )
    assert printed == "(500, 500)"


@pytest.mark.parametrize(("charge_points", "soft"), [(300, 2000), (100, 400)])
def test_half_open_connections_find_room_beside_the_others_where_there_is_any(charge_points: int, soft: int) -> None:
    """300 charge points may come to 900 connections, for which 400 are not enough; a hundred of them are fine."""
    printed = in_a_process_limited_to(
        400,
        2000,
        f"from fleet.load.limits import require\nrequire({charge_points})\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))",
    )
    assert printed == f"({soft}, 2000)"


def test_too_few_file_descriptors_are_an_error_with_the_numbers() -> None:
    printed = in_a_process_limited_to(
        100,
        300,
        "from fleet.load.limits import require\n"
        "from fleet.errors import ConfigurationError\n"
        "try:\n    require(300)\n"
        "except ConfigurationError as error:\n    print(error)",
    )
    assert printed.startswith("300 charge points need 364 file descriptors, but the limit is 300 ")


def test_too_few_ports_are_an_error_with_the_numbers() -> None:
    with pytest.raises(
        ConfigurationError, match=r"70000 charge points need as many ephemeral ports, but .* has \d+ to"
    ):
        require(70_000)


def test_a_fleet_that_fits_falls_short_of_nothing() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = limits(10)
    assert found.shortfalls == []
    assert (found.descriptors_needed, found.descriptors_soft) == (10 + DESCRIPTORS_BESIDE, soft)


def test_both_shortfalls_are_told_at_once() -> None:
    assert len(Limits(1000, 10, 20, ports_needed=1000, ports_available=30).shortfalls) == 2
