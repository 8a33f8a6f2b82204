"""A report's figures as JSON: no number without the orders, recordings and milliseconds that it was counted from."""

from collections.abc import Iterable, Sequence
from typing import Any

from reporting.figures import Reading, Tally, ThreeRates, grouped, three_rates
from reporting.formulas import Formulas
from reporting.queries import DayFacts, Heard
from workorders.orders import CONTACTED, SATISFIED, SOLVED


def figures_of(facts: DayFacts, formulas: Formulas, *, unfinished: bool) -> dict[str, Any]:
    """Every figure of the report as JSON, each count with the orders, recordings and milliseconds behind it."""
    tally = Tally.of(facts.readings)
    return {
        "day": facts.day.isoformat(),
        "unfinished": unfinished,
        "formulas": {
            "fairly": str(formulas.fairly),
            "response": str(formulas.response),
            "solution": str(formulas.solution),
            "satisfaction": str(formulas.satisfaction),
        },
        "callbacks": {
            "due": list(facts.callbacks.due),
            "done": list(facts.callbacks.done),
            "connected": list(facts.callbacks.connected),
        },
        "counts": _counts(tally),
        "rates": _rates(three_rates(tally, formulas)),
        "rates_before": _rates(three_rates(Tally.of(facts.before), formulas)),
        "units": [_group(name, group, formulas) for name, group in grouped(facts.readings, lambda each: each.unit)],
        "categories": [
            _group(name, group, formulas) for name, group in grouped(facts.readings, lambda each: each.category)
        ],
        "kept": [str(recording.recording_id) for recording in facts.kept],
        "text_states": {str(recording.recording_id): recording.text_state for recording in facts.kept},
        "absent": [
            {"recording": str(call.recording_id), "work_order": call.work_order, "note": call.note, "open": call.open}
            for call in facts.absent
        ],
        "suggestions": _sentences(facts.suggestions),
        "complaints": _sentences(facts.complaints),
        "unconfirmed": [reading.work_order for reading in facts.readings if not reading.confirmed],
    }


def _group(name: str, tally: Tally, formulas: Formulas) -> dict[str, Any]:
    return {"name": name, "counts": _counts(tally), "rates": _rates(three_rates(tally, formulas))}


def _counts(tally: Tally) -> dict[str, Any]:
    return {
        "valid": _behind(tally.valid, ""),
        "contacted": _behind(tally.contacted, CONTACTED),
        "solved": _behind(tally.solved, SOLVED),
        "satisfied": _behind(tally.satisfied, SATISFIED),
        "fairly": _behind(tally.fairly, SATISFIED),
        "dissatisfied": _behind(tally.dissatisfied, SATISFIED),
    }


def _behind(readings: Sequence[Reading], question: str) -> dict[str, Any]:
    """A count, and what it counts: order, recording, and the turn and millisecond that answer ``question``."""
    behind = []
    for reading in readings:
        answer = reading.answers.get(question)
        behind.append(
            {
                "work_order": reading.work_order,
                "recording": str(reading.recording_id),
                "ordinal": answer.ordinal if answer else None,
                "start_ms": answer.start_ms if answer else None,
                "confirmed": answer.confirmed if answer else reading.confirmed,
            }
        )
    return {"value": len(behind), "behind": behind}


def _rates(rates: ThreeRates) -> dict[str, str]:
    return {
        "response": rates.response.percent(),
        "solution": rates.solution.percent(),
        "satisfaction": rates.satisfaction.percent(),
        "overall": rates.overall.score(),
    }


def _sentences(heard: Iterable[Heard]) -> list[dict[str, Any]]:
    return [
        {
            "what": each.what,
            "work_order": each.work_order,
            "recording": str(each.recording_id),
            "ordinal": each.answer.ordinal,
            "start_ms": each.answer.start_ms,
            "sentence": each.answer.sentence,
            "confirmed": each.answer.confirmed,
        }
        for each in heard
    ]
