"""`fleet certs`: a PKI that OpenSSL accepts, and what is refused."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet.cli import main
from fleet.errors import EXIT_CONFIGURATION, EXIT_DONE
from fleet.pki.layout import Layout


def made(folder: Path, *options: str, charge_points: int = 3) -> Layout:
    assert main(["certs", str(folder), "--charge-points", str(charge_points), *options]) == EXIT_DONE
    return Layout(folder)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def text(of: x509.Certificate, what: x509.ObjectIdentifier) -> str:
    return str(of.subject.get_attributes_for_oid(what)[0].value)


def test_the_files_have_the_names_that_everybody_finds_them_by(tmp_path: Path) -> None:
    layout = made(tmp_path / "pki")
    files = sorted(path.relative_to(layout.folder).as_posix() for path in layout.folder.rglob("*") if path.is_file())
    charge_points = [f"charge-points/CP000{n}.{kind}" for n in (1, 2, 3) for kind in ("key", "pem")]
    assert files == [*charge_points, "csms.key", "csms.pem", "root.key", "root.pem"]


def test_the_root_vouches_for_all_others_and_openssl_takes_them(tmp_path: Path) -> None:
    layout = made(tmp_path)
    root = certificate(layout.root)
    for pair in (
        (layout.csms, layout.csms_key),
        *((layout.charge_point(name), layout.charge_point_key(name)) for name in ("CP0001", "CP0003")),
    ):
        certificate(pair[0]).verify_directly_issued_by(root)
        ssl.create_default_context(cafile=layout.root).load_cert_chain(*pair)


def test_the_csms_is_known_by_every_name_it_is_reached_by(tmp_path: Path) -> None:
    layout = made(tmp_path, "--host", "csms.example", "--host", "192.0.2.7", "--host", "bücher.example")
    names = certificate(layout.csms).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "csms.example", "xn--bcher-kva.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "192.0.2.7"]


def test_a_charge_point_is_named_in_cn_and_its_operator_in_o(tmp_path: Path) -> None:
    layout = made(tmp_path, "--id", "site/{}", "--organization", "Stadtwerke")
    found = certificate(layout.charge_point("site/2"))
    assert (text(found, NameOID.COMMON_NAME), text(found, NameOID.ORGANIZATION_NAME)) == ("site/2", "Stadtwerke")
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_no_key_is_for_others_to_read_and_none_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = made(tmp_path)
    keys = list(layout.folder.rglob("*.key"))
    assert len(keys) == 5
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert "PRIVATE" not in "".join(capsys.readouterr())


def test_a_key_that_others_could_read_is_not_written_into(tmp_path: Path) -> None:
    layout = made(tmp_path)
    layout.csms_key.chmod(0o644)
    made(tmp_path, "--force")
    assert stat.S_IMODE(layout.csms_key.stat().st_mode) == 0o600


def test_how_long_they_hold_and_what_keys_they_have_can_be_chosen(tmp_path: Path) -> None:
    layout = made(tmp_path, "--days", "2", "--rsa", charge_points=1)
    found = certificate(layout.charge_point("CP0001"))
    key = found.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    left = found.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=1) < left <= timedelta(days=2)


def test_what_is_there_is_replaced_only_when_told_so_and_then_wholly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = made(tmp_path)
    before = layout.root.read_bytes()
    assert main(["certs", str(tmp_path), "--charge-points", "1"]) == EXIT_CONFIGURATION
    error = capsys.readouterr().err
    assert error == f"fleet: error: {tmp_path} is not empty: expected a new folder, or --force to replace its PKI\n"
    assert layout.root.read_bytes() == before
    made(tmp_path, "--force", charge_points=1)
    assert layout.root.read_bytes() != before
    assert [path.name for path in sorted(layout.charge_points.iterdir())] == ["CP0001.key", "CP0001.pem"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--charge-points", "-1"), "expected a whole number from 0 to 100000, got '-1'"),
        (("--charge-points", "1000000000"), "expected a whole number from 0 to 100000, got '1000000000'"),
        (("--charge-points", "many"), "expected a whole number from 0 to 100000, got 'many'"),
        (("--charge-points", "2", "--id", "CP"), "--id: expected a pattern with an index, such as 'CP{:04}', got 'CP'"),
        (("--charge-points", "2", "--id", "{x}"), "--id: expected a pattern such as 'CP{:04}', got '{x}'"),
        (("--charge-points", "1", "--id", "x" * 65), "--id: expected at most 64 characters, got 'xxx"),
        (("--charge-points", "1", "--host", "a b"), "expected a host name or an address, got 'a b'"),
        (("--charge-points", "1", "--host", ""), "expected a host name or an address, got ''"),
        (("--charge-points", "1", "--host", "wss://x"), "expected a host name or an address, got 'wss://x'"),
        (("--charge-points", "1", "--days", "0"), "expected a whole number from 1 to 36500, got '0'"),
        (("--charge-points", "1", "--organization", "x" * 65), "--organization: expected 1 to 64 characters"),
        ((), "the following arguments are required: --charge-points"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    assert main(["certs", str(tmp_path / "pki"), *options]) == EXIT_CONFIGURATION
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["certs", str(tmp_path / "file"), "--charge-points", "1"]) == EXIT_CONFIGURATION
    assert capsys.readouterr().err == f"fleet: error: {tmp_path / 'file'} is not a folder\n"
    assert main(["certs", str(tmp_path / "file" / "below"), "--charge-points", "1"]) == EXIT_CONFIGURATION
    assert capsys.readouterr().err == f"fleet: error: can't write {tmp_path / 'file' / 'below'}: Not a directory\n"


def test_a_place_where_nothing_can_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certs", "/proc/nobody-may", "--charge-points", "1"]) == EXIT_CONFIGURATION
    assert capsys.readouterr().err.startswith("fleet: error: can't write /proc/nobody-may: ")


def test_it_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "a folder", "--id", "X {}", charge_points=2)
    *_, csms, run = capsys.readouterr().out.splitlines()
    assert csms.endswith(f"fleet csms --tls '{tmp_path}/a folder' --security-profile 3")
    assert run.endswith(
        f"fleet run --url wss://localhost:9000 --tls '{tmp_path}/a folder' --charge-points 2 --id 'X {{}}'"
    )
