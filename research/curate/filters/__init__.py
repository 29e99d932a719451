"""The steps that judge one document at a time."""
