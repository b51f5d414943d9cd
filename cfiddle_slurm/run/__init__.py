"""The life of a run, from its submission to the removal of its job directory."""
