"""Statistics and reports made from real rows.

``formulas``   weights and factors with the day from which they hold
``figures``    三率 as pure arithmetic; every count *is* the readings behind it
``queries``    one day's facts;  ``masking`` keeps numbers and names out of quoted sentences
``evidence``   the figures as JSON, each with its orders, recordings and milliseconds
``wording``    the daily report's words as a ``document``;  ``word`` prints it as DOCX, ``web`` as HTML
``daily``      issue: write, seal both forms, number the edition

To add a report: a query for its facts, its words as a ``document``, and an issuing function like ``issue_daily``.
"""
