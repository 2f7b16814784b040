"""Runs with every security profile, as processes: who is let in, what is said to who is not, and what is never said."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from counterparts.certificates import pki

TIMEOUT_S = 90
PASSWORD = "a-password-0f-this-test"
SMALL = ("--charge-points", "4", "--duration", "1s", "--grace", "5s")


def fleet(*arguments: object, password: str | None = None) -> "subprocess.CompletedProcess[str]":
    """`fleet ...` with everything that it said."""
    return subprocess.run(
        [sys.executable, "-m", "fleet", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment(password),
        check=False,
    )


def environment(password: str | None) -> dict[str, str]:
    return dict(os.environ) if password is None else {**os.environ, "TEST_PASSWORD": password}


@contextmanager
def csms(*options: object, password: str | None = None) -> Iterator[str]:
    """The URL of a `fleet csms`."""
    command = [sys.executable, "-m", "fleet", "csms", "--port", "0", "--end-with-stdin", *map(str, options)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(password)
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.stdin.close()
            process.wait(TIMEOUT_S)


def configuration(folder: Path, **csms_keys: object) -> Path:
    """A file with this section about the CSMS."""
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in csms_keys.items()
    ]
    path = folder / "run.toml"
    path.write_text("\n".join(["[csms]", *lines, ""]))
    return path


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_a_run_needs_only_the_number_where_the_csms_is_its_own(profile: int) -> None:
    ran = fleet("run", *SMALL, "--security-profile", profile)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 connected, 4 accepted" in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize("profile", [2, 3])
def test_a_run_against_a_csms_with_certificates_of_fleet_certs(tmp_path: Path, profile: int) -> None:
    certificates = tmp_path / "pki"
    assert fleet("certs", certificates, "--charge-points", 4).returncode == 0
    asked = ("--tls", certificates, "--security-profile", profile)
    keys = {"password_env": "TEST_PASSWORD"} if profile == 2 else {}
    password = ("--password-env", "TEST_PASSWORD") if profile == 2 else ()
    with csms(*asked, *password, password=PASSWORD) as url:
        file = configuration(tmp_path, url=url, tls=str(certificates), **keys)
        ran = fleet("run", file, *SMALL, password=PASSWORD)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 connected, 4 accepted" in ran.stdout


def test_a_csms_whose_root_is_unknown_lets_nobody_in_and_the_reason_is_one_line(tmp_path: Path) -> None:
    ours, theirs = pki(tmp_path / "ours"), pki(tmp_path / "theirs", organization="Other")
    with csms("--tls", theirs.folder, "--security-profile", 2) as url:
        file = configuration(tmp_path, url=url, ca_file=str(ours.root), password_env="TEST_PASSWORD")
        ran = fleet("run", file, *SMALL, password=PASSWORD)
    assert ran.returncode == 98
    (error,) = [line for line in ran.stderr.splitlines() if "no charge point could connect" in line]
    assert "certificate not trusted: " in error
    assert "Traceback" not in ran.stderr
    assert PASSWORD not in ran.stdout + ran.stderr


def test_whoever_is_told_not_to_verify_connects_and_says_so_loudly(tmp_path: Path) -> None:
    theirs = pki(tmp_path / "theirs", expired=True)
    with csms("--tls", theirs.folder, "--security-profile", 2) as url:
        ran = fleet("run", "--url", url, "--no-verify", "--password", PASSWORD, *SMALL, "--report", tmp_path / "report")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    left = (tmp_path / "report").glob("*")
    assert {path.name for path in left if "NOT verified" in path.read_text()} >= {"summary.json", "report.html"}
    assert "TLS certificates are NOT verified" in ran.stderr
    assert "TLS certificates are NOT verified" in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--url", "wss://127.0.0.1:1", "--security-profile", "2"),
            "csms.security_profile: profile 2 needs a password",
        ),
        (("--url", "wss://127.0.0.1:1", "--tls", "/not/there"), "csms.tls: can't use /not/there/root.pem: "),
        (
            ("--url", "wss://127.0.0.1:1", "--client-cert", "/n/{id}.pem"),
            "csms.client_cert: no such file: /n/CP0001.pem",
        ),
        (("--url", "ws://127.0.0.1:1", "--secure-url", "wss://a:s3cret@[b"), "bad CSMS URL 'wss://a:***@[b'"),
        (
            ("--set", f"AuthorizationKey={PASSWORD}"),
            "AuthorizationKey: expected csms.password_env or csms.password_file",
        ),
        (("--set", "AuthorizationKey=s3cret"), "AuthorizationKey: expected 16 to 40 characters, not 6"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_is_started(arguments: tuple[str, ...], told: str) -> None:
    ran = fleet("run", *arguments)
    assert ran.returncode == 104
    assert told in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "s3cret" not in ran.stderr
    assert PASSWORD not in ran.stderr


def test_a_plan_names_its_security(tmp_path: Path) -> None:
    layout = pki(tmp_path / "pki", "CP0001")
    asked = ("--url", "wss://csms.example", "--tls", layout.folder, "--charge-points", 1)
    checked = fleet("check", *asked)
    assert "profile 3: a certificate of each charge point's own over TLS" in checked.stdout
    assert "NOT verified" in fleet("check", *asked, "--no-verify").stdout


def test_no_secret_is_in_anything_that_a_run_leaves_behind(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    file = configuration(tmp_path, security_profile=2, password_file=str(tmp_path / "password"))
    report, trace, records = tmp_path / "report", tmp_path / "trace.jsonl", tmp_path / "records.jsonl"
    ran = fleet("run", file, *SMALL, "--report", report, "--trace", trace, "--records", records)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files = [trace, records, *(path for path in report.rglob("*") if path.is_file())]
    left = ran.stdout + ran.stderr + "".join(path.read_text() for path in files)
    assert len(files) >= 5
    assert PASSWORD not in left
    assert "PRIVATE KEY" not in left


def test_a_profile_is_raised_to_where_it_gets_the_charge_point_in_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = pki(tmp_path / "pki", "CP001")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    asked = ("--password-env", "TEST_PASSWORD", "--security-profile")
    log = tmp_path / "log"
    with (
        csms(*asked, 1, password=PASSWORD) as plain,
        csms(*asked, 2, "--tls", layout.folder, password=PASSWORD) as secure,
        log.open("w") as stderr,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "fleet", "connect", "--id", "CP001", "--control", str(tmp_path / "socket")),
                *("--url", plain, "--secure-url", secure, "--tls", str(layout.folder), "--password", PASSWORD),
            ],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        ) as charge_point,
    ):
        told = (
            ("CP001 BootNotification answered", "set CP001 SecurityProfile 2"),
            ("let in with the new credentials, security profile 2", "set CP001 SecurityProfile 3"),
            # That CSMS wants a password, which isn't shown beside a certificate.
            ("not let in with the new credentials: keeps the old, security profile 2", "get CP001 SecurityProfile"),
        )
        for line, command in told:
            give_up_at = time.monotonic() + TIMEOUT_S
            while line not in log.read_text():
                assert time.monotonic() < give_up_at, log.read_text()
                time.sleep(0.05)
            done = fleet("do", "--control", tmp_path / "socket", command)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "SecurityProfile = 2" in done.stdout
        charge_point.terminate()
        charge_point.wait(TIMEOUT_S)
    assert "http-401" in log.read_text()
    assert PASSWORD not in log.read_text()
