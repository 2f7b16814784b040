"""The scrape configuration and the rules, by Prometheus's own tool; and what lies around them, as far as it is text."""

import re
from pathlib import Path

from counterparts.grafana import GRAFANA, PROMETHEUS
from counterparts.prometheus import promtool

from fleet.observe.health import LAG_BOUNDS_S, LATE_S, LATE_SHARE_MAX, UTILISATION_MAX


def test_promtool_takes_the_configuration() -> None:
    done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_rules_with_nothing_to_say() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", Path(__file__).with_name("alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_such_a_test() -> None:
    rules = (PROMETHEUS / "rules.yml").read_text()
    tested = Path(__file__).with_name("alerts.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert alerts
    assert set(re.findall(r"alertname: (\w+)", tested)) == set(alerts)


def test_the_generator_is_late_for_the_alerts_when_it_is_for_the_verdict() -> None:
    rules = (PROMETHEUS / "rules.yml").read_text()
    assert f"expr: job:fleet_schedule_lag_seconds:p99_1m > {LATE_S:g}\n" in rules
    assert f"(fleet_generator_utilisation_ratio) > {UTILISATION_MAX:g}\n" in rules
    # p99 is above the bound where more than a hundredth is.
    assert LATE_SHARE_MAX == 0.01
    assert LATE_S in LAG_BOUNDS_S


def test_everything_is_on_this_machine_alone() -> None:
    for path in (*GRAFANA.glob("provisioning/*/*.yaml"), PROMETHEUS / "prometheus.yml", GRAFANA / "compose.yaml"):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
        assert not re.search(r"0\.0\.0\.0|https?://(?!127\.0\.0\.1)", text), path
    compose = (GRAFANA / "compose.yaml").read_text()
    assert "--web.listen-address=127.0.0.1:9090" in compose
    assert "GF_SERVER_HTTP_ADDR: 127.0.0.1" in compose


def test_the_images_have_versions() -> None:
    images = re.findall(r"image: (\S+)", (GRAFANA / "compose.yaml").read_text())
    assert len(images) == 2
    assert all(re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", image) for image in images)


def test_what_is_provisioned_is_where_it_is_mounted() -> None:
    compose = (GRAFANA / "compose.yaml").read_text()
    mounted = re.findall(r"- (\./\S+?):(\S+?):ro", compose)
    assert {ours for ours, _ in mounted} == {"./prometheus", "./provisioning", "./dashboards"}
    assert all((GRAFANA / ours).is_dir() for ours, _ in mounted)
    places = dict(mounted)
    provider = (GRAFANA / "provisioning/dashboards/fleet.yaml").read_text()
    assert f"path: {places['./dashboards']}\n" in provider
    assert f"--config.file={places['./prometheus']}/prometheus.yml" in compose
    home = re.findall(r"HOME_DASHBOARD_PATH: (\S+)", compose)
    assert home == [f"{places['./dashboards']}/overview.json"]
