"""Settings, registry, telemetry and deployment files. Imports nothing of ours."""
