"""The settings of a process that a test starts beside itself: the test's own database."""

from __future__ import annotations

import os

from config.tests.settings import *  # noqa: F403
from config.tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["OTHER_PROCESS_DATABASE"]
