"""Whether this processor gains by int8 arithmetic."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INT8_FLAGS = frozenset({"avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})  # of x86 and of Arm


def gains_by_int8(cpuinfo: Path = CPUINFO) -> bool:
    """True when the processor lists products of many 8-bit numbers at once. False where the list cannot be read."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not INT8_FLAGS.isdisjoint(flags.split())
