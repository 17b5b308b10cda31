"""Where and when somebody was seen, as evidence: a ZIP with a report, the facts, the best shots and their sums."""
