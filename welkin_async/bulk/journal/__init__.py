"""The journal: what a run has done, kept on disk, so that the next run goes on from there."""
