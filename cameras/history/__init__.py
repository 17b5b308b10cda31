"""Where and when somebody was seen: pages, filters, exports."""
