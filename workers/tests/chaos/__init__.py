"""Faults that happen for real: to streams, clocks, processes, Redis, PostgreSQL and disks (`make chaos`).

Every site here is its own: embedded PostgreSQL and Redis in a temporary DATA_DIR, and the processes that `manage.py up`
starts. What is asserted are states, sentences, events and sightings, and the time-outs that the documentation promises.
"""
