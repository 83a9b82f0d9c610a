"""The servers of the cluster without Docker: fetched, configured, started on loopback, watched and stopped."""
