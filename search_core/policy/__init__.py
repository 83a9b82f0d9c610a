"""Policies choose what to try next: random, grid, TPE, evolution, the learned controller; begin at `contract.py`."""
