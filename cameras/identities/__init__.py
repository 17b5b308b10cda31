"""One person over many sightings: linking, conflicts, corrections, proposals."""
