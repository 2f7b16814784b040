"""A real Prometheus that a test starts on a loopback port, lets scrape something, and asks.

promtool comes with it. On a machine that has neither, tests that need them are left out, unless `FLEET_REAL_PARTS` is
`required`, as it is where every change is tested: a test that is silently left out there would be no test.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import pytest
from attrs import frozen

READY_TIMEOUT_S = 60.0


def real_part(program: str) -> str:
    """The path of a program that a test can't do without; leaves the test out, or fails it, where it is missing."""
    path = shutil.which(program)
    if path is None:
        _missing(program)
    return path


def _missing(program: str) -> NoReturn:
    line = f"{program} is not installed"
    if os.environ.get("FLEET_REAL_PARTS") == "required":
        pytest.fail(f"{line}, and FLEET_REAL_PARTS=required")
    pytest.skip(line)


def free_port() -> int:
    """A free port outside the range that connections are given, so that nobody who connects meanwhile gets it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs promtool; the test looks at what came of it."""
    return subprocess.run(
        [real_part("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@frozen
class Sample:
    """A series of an answer: its labels, and its values in order of time (one for an instant)."""

    labels: dict[str, str]
    values: tuple[float, ...]


class QueryError(Exception):
    """Prometheus could not make sense of a query."""


class Prometheus:
    """The process, and its HTTP interface."""

    def __init__(self, folder: Path, port: int, target: str, rules: Path, scrape_interval: str = "1s") -> None:
        """Scrapes `target` as job `fleet`; whatever it keeps is in `folder`."""
        self.port = port
        self._log = folder / "prometheus.log"
        configuration = folder / "prometheus.yml"
        # JSON is YAML too.
        configuration.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": scrape_interval, "evaluation_interval": scrape_interval},
                    "rule_files": [str(rules)],
                    "scrape_configs": [{"job_name": "fleet", "static_configs": [{"targets": [target]}]}],
                }
            )
        )
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    real_part("prometheus"),
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "Prometheus":
        try:
            self._until_ready()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process, and waits for it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    @property
    def log(self) -> str:
        """For the message of an assertion."""
        return self._log.read_text()

    def _until_ready(self) -> None:
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < give_up_at and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"Prometheus did not start:\n{self.log}")

    @staticmethod
    def now() -> float:
        """Its clock, in s since 1970."""
        return time.time()

    # ---- asking ------------------------------------------------------------------------------------------------------

    def at(self, query: str, at: float) -> list[Sample]:
        """The answer at one instant, s since 1970."""
        found = self._ask("query", query=query, time=f"{at:.3f}")["result"]
        return [Sample(one["metric"], (float(one["value"][1]),)) for one in found]

    def over(self, query: str, begin: float, end: float, step_s: float = 1.0) -> list[Sample]:
        """The answer over a stretch of time."""
        found = self._ask("query_range", query=query, start=f"{begin:.3f}", end=f"{end:.3f}", step=f"{step_s}")
        return [Sample(one["metric"], tuple(float(v) for _, v in one["values"])) for one in found["result"]]

    def label_values(self, label: str, match: str, begin: float, end: float) -> list[str]:
        """What a variable of a dashboard offers."""
        asked = {"match[]": match, "start": f"{begin:.3f}", "end": f"{end:.3f}"}
        found: list[str] = self._ask(f"label/{label}/values", **asked)
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with how their last evaluation went."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"}

    def _ask(self, what: str, **asked: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(f"{asked}: {error.read().decode()}") from None
