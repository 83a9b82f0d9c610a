"""docker-compose.yml and the monitoring beside it, as far as they can be judged without an engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from api.cli import app
from api.telemetry.beat_metrics import BeatMetrics
from api.telemetry.metrics_port import served
from infra.settings import Settings
from infra.stack.site import free_port
from retrieval.answer.choice import READERS
from retrieval.learned.files import ARTIFACTS

REPOSITORY = Path(__file__).resolve().parent.parent.parent
COMPOSE = REPOSITORY / "docker-compose.yml"
DOCKERFILE = REPOSITORY / "infra/docker/Dockerfile"
OURS = ("api", "worker", "jobs", "beat")
DECIDED = {  # by the services and volumes of the file, and what only `kb stack` asks for
    "KB_CATALOG_URL", "KB_KAFKA_BOOTSTRAP_SERVERS", "KB_CONNECT_URL", "KB_CONNECT_SECRETS_DIR", "KB_REDIS_URL",
    "KB_ELASTICSEARCH_URL", "KB_ELASTICSEARCH_API_KEY", "KB_ELASTICSEARCH_CA_FILE",
    "KB_DATA_DIR", "KB_HOST", "KB_PORT", "KB_CACHE_DIR",
}  # fmt: skip
CHANGE = re.compile(r"\b(rate|increase|delta|deriv|changes|predict_linear)\((\w+)")
COUNTED = ("_total", "_bucket", "_sum", "_count")
COMMAND = re.compile(r"\bkb ([a-z][a-z -]*)$")
REQUIRED = re.compile(r"\$\{(\w+):\?")
GIVEN = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
SECRET = re.compile(r"PASSWORD|PASS\b|KEY|TOKEN|SECRET")
FOLDERS = {"KB_CONNECT_SECRETS_DIR"}  # in which secrets lie


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return content


def test_every_server_of_the_stack_is_there(compose: dict[str, Any]) -> None:
    wanted = {"postgres", "mariadb", "kafka", "connect", "elasticsearch", "redis", "prometheus", "grafana", *OURS}
    assert set(compose["services"]) == wanted


def test_images_are_pinned_and_resources_limited(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name not in OURS:
            assert re.search(r":v?\d+\.\d+", service["image"]), f"{name}: {service['image']} is not pinned"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"] == "unless-stopped", name


def test_servers_have_a_health_check_and_keep_their_data(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != "api":  # the image has its check, see below
            assert service["healthcheck"]["test"], name
        assert service["volumes"], name
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    assert {volume for volume in used if not volume.startswith((".", "/"))} == set(compose["volumes"])


def test_the_image_checks_whether_the_api_can_serve(compose: dict[str, Any]) -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    python, option, words = json.loads(check)
    compile(words, "HEALTHCHECK", "exec")
    port = compose["services"]["api"]["ports"][0].rpartition(":")[2]
    assert (python, option) == ("python", "-c") and f"http://127.0.0.1:{port}/readyz" in words
    assert "healthcheck" not in compose["services"]["api"]


@pytest.mark.parametrize("name", ["worker", "jobs", "beat"])
def test_metrics_are_served_checked_and_scraped_on_one_port(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    served = dict(zip(service["command"], service["command"][1:], strict=False))
    assert served["--metrics-host"] == "0.0.0.0"
    assert f"127.0.0.1:{served['--metrics-port']}/metrics" in service["healthcheck"]["test"][-1]
    compile(service["healthcheck"]["test"][-1], name, "exec")
    scraped = yaml.safe_load((REPOSITORY / "infra/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    ports = {host: asked["port"] for one in scraped for asked in one["dns_sd_configs"] for host in asked["names"]}
    assert ports[name] == int(served["--metrics-port"])


@pytest.mark.parametrize(("age", "status"), [(None, 1), (3600.0, 1), (5.0, 0)])
def test_beat_is_healthy_while_it_is_heard(compose: dict[str, Any], age: float | None, status: int) -> None:
    """Judged by the file's own words, asked of the metrics that `kb celery beat` serves."""
    metrics, port = BeatMetrics(), free_port()
    if age is not None:
        metrics.ticked(time.time() - age)
    with served(metrics.registry, port, "127.0.0.1"):
        _, python, *words = compose["services"]["beat"]["healthcheck"]["test"]
        asked = [words[0], words[1].replace(":9100/", f":{port}/")]
        found = subprocess.run([sys.executable, *asked], capture_output=True, text=True, check=False)
    assert (python, found.returncode) == ("python", status), found.stderr
    assert ("heard nothing since" in found.stderr) == bool(status), found.stderr


def test_dependencies_exist_and_wait_for_what_can_be_waited_for(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for need, how in service.get("depends_on", {}).items():
            assert need in compose["services"], f"{name} needs {need}"
            if how["condition"] == "service_healthy":
                assert need == "api" or compose["services"][need]["healthcheck"]["test"], f"{name} waits for {need}"


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    for name, operator, _ in GIVEN.findall(COMPOSE.read_text("utf-8")):
        if SECRET.search(name):
            assert operator == "?", f"{name} must be asked for with ${{{name}:?…}}"
    for service, about in compose["services"].items():
        for name, value in about.get("environment", {}).items():
            if SECRET.search(name) and value is not None and name not in FOLDERS:
                assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", str(value)), f"{service}: {name} is written in the file"
            login = re.search(r"://[^/@]*:([^/@]*)@", GIVEN.sub("", str(value)))
            assert login is None or not login[1], f"{service}: {name} holds a password"


def test_the_head_tells_how_every_required_variable_is_made() -> None:
    text = COMPOSE.read_text("utf-8")
    head = text.split("name: autoglm-kb")[0]
    for name in set(REQUIRED.findall(text)):
        made = name in head or name.removeprefix("KB_").removesuffix("_PASSWORD") in head
        assert made, f"{name} is required, and the head of the file does not make it"


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_ours_get_settings_that_exist(compose: dict[str, Any]) -> None:
    for name in OURS:
        for variable in compose["services"][name]["environment"]:
            if variable.startswith("KB_"):
                assert variable.removeprefix("KB_").lower() in Settings.model_fields, f"{name}: {variable}"


def test_every_setting_can_be_given_from_outside(compose: dict[str, Any]) -> None:
    given = compose["services"]["api"]["environment"]
    image = set(re.findall(r"\b(KB_[A-Z_]+)=", DOCKERFILE.read_text("utf-8")))
    for variable in sorted({f"KB_{field.upper()}" for field in Settings.model_fields} - DECIDED):
        assert variable in given, f"{variable} of docs/settings.md reaches no container"
        if given[variable] is None:  # which some engines read as one that is to be absent
            assert variable not in image, f"{variable} has another default in the image: write it here"
        else:
            assert f"${{{variable}:" in given[variable], f"{variable} is {given[variable]!r} whatever .env says"


def test_jobs_answer_and_learn_as_the_api_does(compose: dict[str, Any]) -> None:
    api, jobs, worker, beat = (compose["services"][name] for name in ("api", "jobs", "worker", "beat"))
    of_its_door = {one for one in api["environment"] if one.startswith(("KB_OIDC_", "KB_RATE_", "KB_TRUSTED_"))}
    common = {one: value for one, value in api["environment"].items() if one not in of_its_door}
    assert jobs["environment"] == worker["environment"] == beat["environment"] == common
    for folder in ("models", ARTIFACTS, READERS):  # what a job learns is read where searches and writes are
        for service in (api, jobs, worker):
            assert f"{folder}:/var/lib/kb/{folder}" in service["volumes"], folder


@pytest.mark.parametrize("name", OURS)
def test_ours_run_commands_that_exist(compose: dict[str, Any], name: str) -> None:
    check_command(compose["services"][name].get("command", ["serve"]))


def check_command(words: Sequence[str]) -> None:
    """Every word is a command, up to the one that takes the others as its arguments."""
    known: Any = get_command(app)
    for word in words:
        if not hasattr(known, "commands"):
            return
        known = known.get_command(None, word)
        assert known is not None, f"`kb {' '.join(words)}` is no command"


def test_ours_are_unprivileged(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounted_files_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            if volume.startswith("."):
                assert (REPOSITORY / volume.split(":")[0]).exists(), volume


@pytest.mark.parametrize(
    ("schema", "file"), [("compose-spec", "docker-compose.yml"), ("github-workflows", ".github/workflows/test.yml")]
)
def test_files_for_other_programs_keep_to_their_schemas(schema: str, file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(REPOSITORY / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def engine_free_compose() -> list[str]:
    """A `docker compose` (or `docker-compose`) that can check a file; the test skips where there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return command
    pytest.skip("docker compose is not installed; the file is checked by the other tests only")


def test_docker_compose_accepts_it(tmp_path: Path) -> None:
    command = engine_free_compose()
    variables = tmp_path / ".env"
    variables.write_text("".join(f"{name}=x\n" for name in set(REQUIRED.findall(COMPOSE.read_text("utf-8")))))
    call = [*command, "--env-file", str(variables), "-f", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def expressions() -> list[str]:
    """Every expression of the dashboards and the alerts."""
    found = [
        target["expr"]
        for path in sorted((REPOSITORY / "infra/grafana/dashboards").glob("*.json"))
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel.get("targets", [])
    ]
    return found + [rule["expr"] for rule in alerts()]


def alerts() -> list[dict[str, Any]]:
    read = yaml.safe_load((REPOSITORY / "infra/prometheus/alerts.yml").read_text("utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def test_only_counters_are_asked_for_their_increase() -> None:
    """Of a gauge every fall would count as a restart from 0: one failed job less would be reported as failed ones."""
    asked = [found for expression in expressions() for found in CHANGE.findall(expression)]
    assert {function for function, _ in asked} > {"rate", "increase", "delta"}
    for function, name in asked:
        assert (function in ("rate", "increase")) == name.endswith(COUNTED), f"{function}({name})"


def test_alerts_name_commands_that_exist() -> None:
    named = [words for rule in alerts() for words in COMMAND.findall(rule["annotations"]["summary"])]
    assert named
    for words in named:
        check_command(words.split())


def test_expressions_are_balanced_and_panels_do_not_overlap() -> None:
    for expression in expressions():
        for one, other in ("()", "{}", "[]"):
            assert expression.count(one) == expression.count(other), expression
    for path in (REPOSITORY / "infra/grafana/dashboards").glob("*.json"):
        cells: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            place = panel["gridPos"]
            mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not mine & cells and place["x"] + place["w"] <= 24, panel["title"]
            cells |= mine


def test_every_yaml_of_the_monitoring_is_yaml() -> None:
    files = [*(REPOSITORY / "infra/prometheus").glob("*.yml"), *(REPOSITORY / "infra/grafana").rglob("*.yml")]
    assert len(files) == 4
    for path in files:
        assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict), path
