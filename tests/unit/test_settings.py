"""Settings come from the file, then the environment, then the caller; a wrong one is named."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest

from infra.logs import JsonFormatter
from infra.settings import Settings, SettingsError, load_settings, mistyped_variables


def test_environment_wins_over_the_file_and_the_caller_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kb.yaml"
    file.write_text("port: 1\nhost: 10.0.0.1\nlog_level: ERROR\n")
    monkeypatch.setenv("KB_CONFIG", str(file))
    monkeypatch.setenv("KB_PORT", "2")
    settings = load_settings(log_level="DEBUG")
    assert (settings.port, settings.host, settings.log_level) == (2, "10.0.0.1", "DEBUG")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a line of .env that was left without a value, which Docker hands on as an empty variable."""
    file = tmp_path / "kb.yaml"
    file.write_text("port: 1\n")
    for name in Settings.model_fields:
        monkeypatch.setenv(f"KB_{name.upper()}", "")
    assert load_settings() == Settings.model_construct()
    assert load_settings(file).port == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("prot: 1\n", "setting prot is not known; docs/settings.md lists"),
        ("port: 99999\n", "port"),
        ("- 1\n", "expected `name: value`"),
        ("a: [\n", "not YAML"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "kb.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=told):
        load_settings(file)


def test_a_mistyped_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KB_DATA_DIRR", "KB_TEST_DATA_DIR", "KB_POSTGRES_PASSWORD", "KB_DATA_DIR"):
        monkeypatch.setenv(name, "x")
    assert mistyped_variables() == [("KB_DATA_DIRR", "KB_DATA_DIR")]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml does not exist"):
        load_settings(tmp_path / "nowhere.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{tmp_path} cannot be read \(Is a directory\); "):
        load_settings(tmp_path)
    (file := tmp_path / "kb.yaml").write_bytes("llm_api_key: sk-geheim-ä\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"kb\.yaml is not UTF-8 text from byte 23 on") as refused:
        load_settings(file)
    assert "geheim" not in "".join(traceback.format_exception(refused.value))


def test_wrong_overrides_are_refused() -> None:
    with pytest.raises(SettingsError, match="port"):
        load_settings(port="x")


def test_secrets_do_not_show() -> None:
    settings = load_settings(llm_api_key="sk-very-secret")
    assert "sk-very-secret" not in repr(settings)
    assert settings.llm_api_key.get_secret_value() == "sk-very-secret"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("llm_api_key: sk-secret\ndense_view: elasticsearch\n", "KB_ELASTICSEARCH_URL is empty"),
        ("catalog_url: postgresql://kb:sk-secret@db/kb\ngenerator: reader\n", "KB_READER is empty"),
        ("secret_key: [sk-secret]\n", r"setting secret_key \(KB_SECRET_KEY\): "),
        ("llm_api_kye: sk-secret\n", "setting llm_api_kye is not known; "),
        ("elasticsearch_url: ['https://kb:sk-secret@es']\n", r"setting elasticsearch_url \(KB_ELASTICSEARCH_URL\): "),
        ("port: 1\nsecret_key: *sk-secret\n", r"is not YAML \(line 2, column 13\)"),
        ("redis_url: 'redis://:sk-secret@redis\nport: 1\n", "is not YAML"),
    ],
)
def test_no_message_tells_a_secret(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "kb.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=told) as refused:
        load_settings(file)
    assert "sk-secret" not in "".join(traceback.format_exception(refused.value))


def test_a_wrong_value_in_which_no_secret_can_be_is_told() -> None:
    with pytest.raises(SettingsError, match=r"setting port \(KB_PORT\) = 99999: "):
        load_settings(port=99999)
    with pytest.raises(SettingsError, match=r"setting elasticsearch_prefix \(KB_ELASTICSEARCH_PREFIX\) = 'A B': "):
        load_settings(elasticsearch_prefix="A B")


def test_json_log_lines_are_json_with_the_exception() -> None:
    try:
        raise ValueError("盒子")
    except ValueError:
        import sys

        record = logging.LogRecord("kb", logging.ERROR, __file__, 1, "failed %s", ("x",), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"]) == ("ERROR", "failed x")
    assert "盒子" in line["exception"]
