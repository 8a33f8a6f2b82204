"""One stream that is being received: its sockets, its spool, and what was counted."""

import socket
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from telephony.rtp.reports import Reports
from telephony.rtp.sockets import kernel_dropped
from telephony.rtp.spool import RECORD, SpoolWriter
from telephony.rtp.srtp import Protection, Replayed

# Foreign senders are told apart up to this many; a spray of forged addresses must not eat memory.
MOST_FOREIGN = 64


class Port:
    """RTP on ``rtp``, RTCP on ``rtcp`` or, multiplexed (RFC 5761), on the same socket."""

    def __init__(
        self,
        number: int,
        rtp: socket.socket,
        rtcp: socket.socket | None,
        spool: SpoolWriter,
        opened_at: datetime,
        reports: Reports,
    ) -> None:
        self.number, self.rtp, self.rtcp, self.spool, self.opened_at = number, rtp, rtcp, spool, opened_at
        self.reports, self.reports_sent = reports, 0
        # Where the sender's RTCP came in last, and from where.
        self._control: tuple[socket.socket, tuple[str, int]] | None = None
        self.opened_ns = time.monotonic_ns()
        # Monotonic seconds of the last packet, and of the last look for one.
        self.heard = self.visited = time.monotonic()
        self.turns = 0
        self.closed = self.paused = False
        self.protection: Protection | None = None
        self.packets = self.octets = self.rtcp_packets = 0
        self.paused_packets = self.unauthentic_packets = self.replayed_packets = 0
        # Milliseconds since the opening; -1: nothing yet.
        self.first_ms = self.last_ms = -1
        # Who sends, as a number (0: nobody yet) and as an address.
        self.source = 0
        self.sender: tuple[str, int] | None = None
        self._foreign: dict[int, int] = {}

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """One or two."""
        return (self.rtp,) if self.rtcp is None else (self.rtp, self.rtcp)

    @property
    def counted(self) -> int:
        """RTP packets that came from the sender, spooled or not."""
        return self.packets + self.paused_packets + self.replayed_packets

    def take(self, records: bytes, packets: int, rtcp_packets: int, octets: int, first_ms: int, last_ms: int) -> None:
        """Spool records in their final form; ``octets`` is what the RTP packets among them hold."""
        self.spool.append_records(records, packets + rtcp_packets)
        self.packets += packets
        self.rtcp_packets += rtcp_packets
        self.octets += octets
        if packets:
            self.last_ms = last_ms
            if self.first_ms < 0:
                self.first_ms = first_ms

    def take_one(self, packet: bytes, offset_ms: int, *, rtcp: bool) -> bytes:
        """Spool one packet as far as protection and pause allow; returns what was spooled.

        A pause silences sound, not reports about clocks.
        """
        if not packet:
            return b""
        if self.protection is not None:
            try:
                packet = self.protection.unprotect_rtcp(packet) if rtcp else self.protection.unprotect(packet)
            except Replayed:
                self.replayed_packets += 1
                return b""
            except ValueError:
                self.unauthentic_packets += 1
                return b""
        # Behind the protection, which must see every packet: it counts how often their numbers roll over.
        if self.paused and not rtcp:
            self.paused_packets += 1
            return b""
        record = RECORD.pack(len(packet) + RECORD.size, 0 if rtcp else len(packet), offset_ms) + packet
        self.take(record, int(not rtcp), int(rtcp), 0 if rtcp else len(packet), offset_ms, offset_ms)
        return packet

    def hear(self, compound: bytes, offset_ms: int, sock: socket.socket, sender: tuple[str, int]) -> None:
        """Note what RTCP says, and where it would be answered."""
        self._control = sock, sender
        self.reports.heard(compound, self.opened_ns / 1e9 + offset_ms / 1000)

    def report(self, now: float) -> None:
        """Send the receiver report that is due, once it is known where to: what cannot be sent is not missed."""
        compound = self.reports.report(now)
        sock, address = self._control or (self.rtp, None if self.rtcp else self.sender)
        if address is None:
            return
        with suppress(OSError, ValueError):
            sock.sendto(self.protection.protect_rtcp(compound) if self.protection else compound, address)
            self.reports_sent += 1

    def note_source(self, source: int) -> None:
        """Count a packet that may be from someone else than the first sender."""
        if source != self.source and (source in self._foreign or len(self._foreign) < MOST_FOREIGN):
            self._foreign[source] = self._foreign.get(source, 0) + 1

    def statistics(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "packets": self.packets,
            "bytes": self.octets,
            "rtcp_packets": self.rtcp_packets,
            "rtcp_goodbyes": self.reports.goodbyes,
            "receiver_reports": self.reports_sent,
            "first_at": self._moment(self.first_ms),
            "last_at": self._moment(self.last_ms),
            "foreign_sources": len(self._foreign),
            "foreign_packets": sum(self._foreign.values()),
            "paused_packets": self.paused_packets,
            "clear_packets": self.protection.clear_packets if self.protection else 0,
            "unauthentic_packets": self.unauthentic_packets,
            "replayed_packets": self.replayed_packets,
            "kernel_dropped": sum(map(kernel_dropped, self.sockets)),
            "unspooled_packets": self.spool.refused,
            # What the disk had not taken yet when the stream ended: it is written before the call closes.
            "late_bytes": len(self.spool.pending),
            "spool_error": self.spool.error,
        }

    def close(self) -> bool:
        """Free the sockets and the spool; ``False`` when the latter stays open, because the disk takes nothing."""
        self.closed = True
        for sock in self.sockets:
            sock.close()
        return self.spool.close()

    def _moment(self, offset_ms: int) -> str | None:
        return None if offset_ms < 0 else (self.opened_at + timedelta(milliseconds=offset_ms)).isoformat()
