"""What travels over the wire: pydantic models of requests and responses."""
