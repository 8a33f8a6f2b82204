"""Webhooks: other systems are told what happened, by signed POSTs that hold identifiers only.

    ledger (committed with what it tells) ──gather──▶ deliveries ──sender──▶ subscriber
                                                          ▲                     │ 2xx: delivered, 410: switched off
                                                          └── backoff, jitter ──┴─ anything else, then given up

Delivered at least once and in no promised order; a message keeps its identifier over all tries.  Nothing in here but
``subscribers`` knows who is logged in, so that the scheduler's process can send.
"""
