"""Tests of the engine: pure computing, no database."""
