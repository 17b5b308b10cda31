"""How people move: sums, figures, drawings and pages."""
