"""Figures as people read them: counts with their thousands apart, powers and energies in the unit that fits."""

from collections.abc import Iterable

from fleet.quantities import format_duration

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_count(count: int) -> str:
    """`12,345`."""
    return f"{count:,}"


def format_power(power_w: float) -> str:
    """`950 W`, `7.2 kW`, `1.44 MW`."""
    return _scaled(power_w, "W")


def format_energy(energy_wh: float) -> str:
    """`950 Wh`, `7.2 kWh`, `1.44 MWh`."""
    return _scaled(energy_wh, "Wh")


def format_rate(rate_per_s: float) -> str:
    """`0.25/s`, `3.4/s`, `1,234/s`."""
    if rate_per_s >= 100:
        return f"{rate_per_s:,.0f}/s"
    return f"{rate_per_s:.1f}/s" if rate_per_s >= 1 or rate_per_s == 0 else f"{rate_per_s:.2g}/s"


def format_latency(latency_s: float, *, at_least: bool = False) -> str:
    """`0.85ms`, `12.4ms`, `1.24s`, `2m10s`; one that is only a lower bound is `>30s`.

    Milliseconds down to the microsecond, unlike a duration that a person sets, so that a column reads at a glance.
    """
    bound = ">" if at_least else ""
    if latency_s < 0.5e-6:
        return f"{bound}0ms"
    if latency_s < 0.001:
        return f"{bound}{latency_s * 1e3:.2g}ms"
    return bound + format_duration(latency_s)


def printable(text: str) -> str:
    """Foreign words as one line for a terminal: whatever would move its cursor or colour it is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def format_clock(elapsed_s: float) -> str:
    """`00:12`, `1:02:03`, `3d 01:02:03`: a time that is read while it runs, so its width doesn't jump."""
    minutes, seconds = divmod(max(0, int(elapsed_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{seconds:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def format_counts(counts: Iterable[tuple[str, int]]) -> str:
    """`41 Charging, 12 Preparing`: those that aren't zero."""
    return ", ".join(f"{format_count(count)} {word}" for word, count in counts if count)


def _scaled(value: float, unit: str) -> str:
    for factor, prefix in _PREFIXES:
        # 999.6 W would be printed as 1,000 W: it's 1 kW.
        if abs(value) >= factor * 0.9995:
            scaled = value / factor
            return f"{scaled:,.0f} {prefix}{unit}" if scaled >= 999.5 else f"{scaled:.3g} {prefix}{unit}"
    return f"{value:.0f} {unit}"
