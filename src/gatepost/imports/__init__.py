"""Moving over from other software: what it was told and what it remembers, in our words."""
