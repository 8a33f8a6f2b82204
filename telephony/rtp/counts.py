"""What is kept about each stream beside its sound: counts, gaps, and what was odd."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from telephony.call import AGENT, CITIZEN, MIXED
from telephony.rtp.events import event_clocks, noise_types
from telephony.rtp.placed import LOST, PAUSED, SUPPRESSED, Gap
from telephony.rtp.playout import Playout
from telephony.rtp.tracks import Track

Span = tuple[float, float]
# Gaps that are listed, the longest ones; all are counted.
MOST_GAPS = 500


def statistics(track: Track, playout: Playout | None, start_ms: float, pauses: Sequence[Span]) -> Mapping[str, Any]:
    """Counts of one stream as plain JSON values; times in milliseconds of the file.

    ``start_ms`` and ``pauses`` in Unix milliseconds."""
    stream, survey = track.stream, track.survey
    about = {"label": stream.label, "role": stream.role, "file": stream.file}
    if survey is None or playout is None:
        return {**about, "start_ms": None, "received": 0}
    sources = [placed.source for placed in survey.placed]
    in_order = sum(source.in_order for source in sources)
    moved = survey.began_ms + track.shift_ms
    gaps = [_at(gap, moved, pauses) for gap in survey.gaps()]
    first, end = track.first_ms, track.end_ms
    span = 0.0 if first is None or end is None else end - first
    paused = sum(gap.missing for gap in gaps if gap.kind == PAUSED)
    return {
        **about,
        "start_ms": None if first is None else round(first - start_ms),
        "received": len(survey.kept),
        "lost": sum(source.lost for source in sources) - paused,
        "paused": paused,
        "duplicated": sum(source.duplicated for source in sources),
        "reordered": sum(source.reordered for source in sources),
        "late": playout.late,
        "strays": survey.strays + sum(source.strays for source in sources),
        "invalid": survey.invalid,
        "undecoded": {str(payload_type): count for payload_type, count in sorted(survey.undecoded.items())},
        "comfort_noise": sum(survey.undecoded[number] for number in noise_types(stream.payload_types)),
        "undecodable": playout.undecodable,
        "rtcp": survey.rtcp,
        "jitter_ms": round(sum(source.jitter for source in sources) / max(1, in_order), 2),
        "silence_ms": max(0, round(span - playout.heard_ms)),
        "duration_ms": round(span),
        "sources": len(sources),
        "anchored_again": sum(len(placed.pieces) - 1 for placed in survey.placed),
        "drift_ppm": round(_drift(track), 1),
        "moved_ms": round(track.shift_ms),
        "codecs": sorted({survey.codecs[payload_type].encoding for payload_type in survey.heard}),
        "digits": [
            {"digit": each.digit, "at_ms": round(each.at + moved - start_ms), "duration_ms": each.duration_ms}
            for each in survey.digits
        ],
        "gaps": _listed(gaps, start_ms),
        "gap_count": len(gaps) + sum(source.holes.uncounted for source in sources),
        "gap_ms": {kind: round(sum(gap.end - gap.start for gap in gaps if gap.kind == kind)) for kind in _KINDS},
        "unread_bytes": survey.unread,
    }


_KINDS = (LOST, SUPPRESSED, PAUSED)


def _drift(track: Track) -> float:
    """How much faster the sender's clock runs than ours, in parts per million; that of the longest source."""
    placed = max(track.survey.placed if track.survey else (), key=lambda each: each.end - each.first, default=None)
    return 0.0 if placed is None else (1 / placed.pieces[-1].scale - 1) * 1e6


def _at(gap: Gap, moved: float, pauses: Sequence[Span]) -> Gap:
    """In Unix milliseconds; a gap that lies mostly in pauses was meant."""
    start, end = gap.start + moved, gap.end + moved
    within = sum(max(0.0, min(end, until) - max(start, since)) for since, until in pauses)
    return Gap(start, end, PAUSED if 2 * within > end - start else gap.kind, gap.missing)


def _listed(gaps: Sequence[Gap], start_ms: float) -> list[dict[str, Any]]:
    longest = sorted(gaps, key=lambda gap: gap.start - gap.end)[:MOST_GAPS]
    return [
        {"start_ms": round(gap.start - start_ms), "duration_ms": round(gap.end - gap.start), "kind": gap.kind}
        for gap in sorted(longest, key=lambda gap: gap.start)
    ]


def flags(track: Track, counts: Mapping[str, Any]) -> Iterator[str]:
    """What was odd about one stream."""
    label, survey, received = track.stream.label, track.survey, track.stream.received
    odd = {
        "party unknown": track.stream.role not in (AGENT, CITIZEN, MIXED),
        "no audio": survey is not None and track.first_ms is None,
        "spool cut short": survey is not None and survey.cut_short,
        "spool damaged": survey is not None and survey.damaged,
        "several sources": counts.get("sources", 0) > 1,
        "clock restarted": bool(counts.get("anchored_again")),
        "sender reports not believed": survey is not None and survey.odd_reports,
        "sound not decodable": bool(counts.get("undecodable")) or _spoke_otherwise(track),
        "packets not authentic": bool(received.get("unauthentic_packets")),
        "spool incomplete": bool(received.get("unspooled_packets")),
        "foreign senders": bool(received.get("foreign_sources")),
    }
    for flag in (*track.flags, *(flag for flag, there in odd.items() if there)):
        yield f"{label}: {flag}"


def _spoke_otherwise(track: Track) -> bool:
    """Whether sound came in a payload type that nobody had agreed on, so that silence stands for it."""
    agreed = track.stream.payload_types
    beside = noise_types(agreed) | event_clocks(agreed).keys()
    return track.survey is not None and not beside.issuperset(+track.survey.unknown)


def missing_parties(tracks: Sequence[Track]) -> list[str]:
    """A party that never sent is silence, and said to be."""
    heard = [track.stream.role for track in tracks if track.first_ms is not None]
    if any(role not in (AGENT, CITIZEN) for role in heard):
        return []
    return [f"{role} silent" for role in (AGENT, CITIZEN) if role not in heard]
