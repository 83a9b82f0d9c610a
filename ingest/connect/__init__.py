"""Live databases: checking them, configuring Debezium's connectors in Kafka Connect, and cleaning up behind them."""
