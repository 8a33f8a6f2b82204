"""The kinds of jobs, by themselves: who only enqueues need not load what does the work."""

TRANSCRIBE, FIND_ORDER, FINDINGS = "transcribe", "find_order", "findings"
RELINK, NIGHTLY, DAILY = "relink", "nightly", "daily"
EXPORT, REDACT, HOLD = "export", "redact", "hold"
