"""The generator's own health: whether what is measured is the CSMS at all."""

from source.frame import Sheet
from source.look import BAD, CALM, GOOD, PERCENTILES, WATCH, Query, figure, heat_over_time, info, lines, percentiles

LAG_LIMIT_S = 0.25


def sheet() -> Sheet:
    """The dashboard of the generator."""
    made = Sheet(
        "Generator health",
        "fleet-generator",
        "A generator that falls behind measures itself. A run in which it did is invalid, whatever it measured.",
    )
    made.line(
        4,
        figure(
            "Lag p99",
            "How late the generator's own tasks ran, in all but the worst hundredth.",
            "s",
            percentiles("fleet_schedule_lag_seconds")[-1],
            {None: GOOD, 0.05: WATCH, LAG_LIMIT_S: BAD},
        ),
        figure(
            "At work",
            "The share of time in which the loop was at work; at 100 % everything is late.",
            "percentunit",
            Query("max(fleet_generator_utilisation_ratio{@})"),
            {None: GOOD, 0.75: WATCH, 0.95: BAD},
            decimals=0,
        ),
        figure(
            "Scraped",
            "Whether the last scrape succeeded; of several generators, the share of them.",
            "percentunit",
            Query("avg(up{@})"),
            {None: BAD, 1: GOOD},
            decimals=0,
            trend=False,
        ),
        figure(
            "A scrape takes",
            "How long Prometheus waited for the figures; the fleet waits for as long.",
            "s",
            Query("max(scrape_duration_seconds{@})"),
            {None: GOOD, 0.05: WATCH, 0.5: BAD},
        ),
        figure(
            "Series",
            "Time series per generator. They don't grow with the fleet.",
            "short",
            Query("max(scrape_samples_scraped{@})"),
            {None: GOOD, 1000: WATCH, 5000: BAD},
            trend=False,
        ),
        figure(
            "Crashes",
            "Charge points that were rebuilt after a bug of the generator, since the run began.",
            "short",
            Query("sum(fleet_actor_restarts_total{@})"),
            {None: GOOD, 1: BAD},
        ),
    )
    made.line(
        10,
        (
            heat_over_time(
                "How late its tasks ran",
                "A task that asks to be woken every so often says how late it was. All of it belongs at the bottom.",
                Query("sum by (le) (rate(fleet_schedule_lag_seconds_bucket{@}[$__rate_interval]))"),
            ),
            14,
        ),
        lines(
            "Lag",
            "Percentiles of how late the tasks ran; from the dashed line on a run is in danger of being invalid.",
            "s",
            *percentiles("fleet_schedule_lag_seconds"),
            colours=PERCENTILES,
            limit=LAG_LIMIT_S,
        ),
    )
    made.line(
        9,
        lines(
            "Loop at work",
            "The share of time in which the loop did something rather than wait.",
            "percentunit",
            Query("fleet_generator_utilisation_ratio{@}", "{{instance}}"),
            limit=0.95,
            most=1,
        ),
        lines(
            "Work per second",
            "What the generator had to do: messages of both directions.",
            "mps",
            Query("sum by (direction) (rate(fleet_messages_total{@}[$__rate_interval]))", "{{direction}}"),
            stacked=True,
        ),
        lines(
            "Process",
            "Resident memory on the left, processors in use on the right.",
            "bytes",
            Query("process_resident_memory_bytes{@}", "memory {{instance}}"),
            Query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "processors {{instance}}"),
            right={"/^processors/": "short"},
        ),
    )
    made.line(
        8,
        lines(
            "Events",
            "What somebody or something did to the run, per minute, by kind; each is a mark on every chart too.",
            "cpm",
            Query("sum by (kind) (rate(fleet_events_total{@}[$__rate_interval])) * 60", "{{kind}}"),
            colours={"fault": BAD, "abort": "semi-dark-red", "command": CALM, "scenario": GOOD, "drain": WATCH},
        ),
        info(
            "What runs",
            "The version of each generator, and the seed that repeats its run.",
            "fleet_build_info",
            "instance",
            "version",
            "seed",
        ),
        lines(
            "File descriptors",
            "Open ones, and as many as there may be: each charge point needs one.",
            "short",
            Query("process_open_fds{@}", "open {{instance}}"),
            Query("process_max_fds{@}", "allowed {{instance}}"),
            logarithmic=True,
        ),
    )
    return made
