"""The settings of a test run: the real ones, on an embedded PostgreSQL and Redis of the tests' own.

The folder is var/test, or LYNCEUS_TEST_DIR. Every run has a database of its own, so that two do not meet.
"""

from __future__ import annotations

import os
from pathlib import Path

_repository = Path(__file__).resolve().parents[2]
os.environ["DATA_DIR"] = os.environ.get("LYNCEUS_TEST_DIR", str(_repository / "var" / "test"))
os.environ["DATABASE_URL"] = ""  # empty, not absent: a .env file must not bring them back
os.environ["REDIS_URL"] = ""
os.environ["CAMERA_PORTS"] = "1-65535"  # cameras of tests listen where there is room

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES  # noqa: E402

TEST_DATABASE = f"test_lynceus_{os.getpid()}"
DATABASES["default"]["TEST"] = {"NAME": TEST_DATABASE}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # hundreds of sign-ins, no secrets
RULES_POLL_SECONDS = 0.0  # a test sees what it has just written
ALERT_NETWORKS = ["loopback"]  # every test's servers are here
