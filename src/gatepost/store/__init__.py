"""What must be remembered: triplets, own lists, correspondents, the journal."""
