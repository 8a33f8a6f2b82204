"""The two-year rule (pure), the nightly job, and disposal that people have approved."""
