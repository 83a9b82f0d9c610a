"""What a person or Prometheus sees of a running system: metrics, traces, overview and alerts."""
