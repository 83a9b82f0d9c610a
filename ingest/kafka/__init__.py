"""Change events from Kafka to the catalog: a consumer group of workers. Begin at `ingest/kafka/worker.py`."""
