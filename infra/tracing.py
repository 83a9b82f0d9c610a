"""Opens the traces that the settings ask for; OpenTelemetry is loaded only then."""

from __future__ import annotations

from infra.settings import Settings, SettingsError
from infra.telemetry import Traces


def open_traces(settings: Settings, service: str) -> Traces | None:
    """Traces of that service to the settings' endpoint; None where none is named.

    Raises `SettingsError` where OpenTelemetry is not installed.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        from infra.otlp import OtlpTraces, exporter  # loads OpenTelemetry: only where it is asked for
    except ImportError as error:
        raise SettingsError(
            f"setting otlp_endpoint (KB_OTLP_ENDPOINT) = {settings.otlp_endpoint!r} needs OpenTelemetry, which is not "
            f"installed ({error}); run: pip install 'autoglm-kb[telemetry]'"
        ) from error
    return OtlpTraces(exporter(settings.otlp_endpoint), service, settings.otlp_sample_ratio)
