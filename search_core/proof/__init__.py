"""Whether a candidate is better: sealed questions, latency, the gate, and the way into serving."""
