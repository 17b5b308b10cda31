"""Drawings of movement as numbers for SVG: pure functions of figures, rendered by templates, without scripts.

Each drawing has a title, a sentence that says the same, and a table of the same numbers beside it. What is drawn is
bounded, and says what was left out.
"""
