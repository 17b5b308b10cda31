"""Measurements of the frame path, `make bench`: numbers to compare, never tests. Results are in docs/performance.md."""
