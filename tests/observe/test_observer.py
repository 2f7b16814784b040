from fleet.core.reports import CallSettled, FrameSeen, FrameSent, LinkUp, ObservedReport
from fleet.observe.observer import Observer


class Recorder:
    def __init__(self, *wants: type[ObservedReport]) -> None:
        self.wants = frozenset(wants)
        self.heard: list[tuple[str, ObservedReport]] = []

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        self.heard.append((charge_point_id, report))


SETTLED = CallSettled("Heartbeat", "Result", 1.0, 1.0, 2.0)


def test_every_listener_hears_the_types_it_wants_and_no_others() -> None:
    links, both = Recorder(LinkUp), Recorder(LinkUp, CallSettled)
    observer = Observer(links, both)
    observer.report("CP1", LinkUp())
    observer.report("CP2", SETTLED)
    assert links.heard == [("CP1", LinkUp())]
    assert both.heard == [("CP1", LinkUp()), ("CP2", SETTLED)]


def test_a_listener_that_comes_later_hears_what_comes_later_and_one_that_left_hears_nothing() -> None:
    early, late = Recorder(LinkUp), Recorder(LinkUp)
    observer = Observer(early)
    observer.report("CP1", LinkUp())
    observer.add(late)
    observer.remove(early)
    observer.report("CP2", LinkUp())
    assert early.heard == [("CP1", LinkUp())]
    assert late.heard == [("CP2", LinkUp())]


def test_frames_are_wanted_exactly_while_somebody_wants_them() -> None:
    observer = Observer(Recorder(LinkUp))
    assert not observer.frames_wanted
    sent, seen = Recorder(FrameSent), Recorder(FrameSeen, LinkUp)
    observer.add(sent)
    assert observer.frames_wanted
    observer.add(seen)
    observer.remove(sent)
    assert observer.frames_wanted
    observer.report("CP1", FrameSeen("[]", 1.0))
    assert seen.heard == [("CP1", FrameSeen("[]", 1.0))]
    observer.remove(seen)
    assert not observer.frames_wanted
