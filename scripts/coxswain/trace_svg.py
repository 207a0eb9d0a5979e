# SPDX-License-Identifier: MIT
"""A trace as a picture: a lane for each CPU, each thread's slices in its colour, and why it stopped.

What is at least a pixel wide is drawn as it is. In a column where slices are narrower they share the lane's height by
their time in that column, so that the area of a colour is always time on a CPU.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from xml.sax.saxutils import escape, quoteattr

from .trace_file import Ref
from .trace_timeline import CUT, Slice, Timeline

WIDTH, LEFT, RIGHT, TOP, LANE, GAP = 1500, 84, 20, 56, 46, 26
_PLOT = WIDTH - LEFT - RIGHT
_PALETTE = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7", "#9c755f",
            "#1f77b4", "#d37295", "#8cd17d")  # fmt: skip
_AGENTS, _SYSTEM = ("#6b6b6b", "#8a8a8a", "#555555", "#a0a0a0"), ("#c9b99a", "#b5a27c", "#dccfb8")
_OTHERS, _LEGEND_ROWS, _MOST_WAKES = "#d0d0d0", 36, 300
_CAUSES = {
    "blocked": "#1b9e77", "slice_end": "#d95f02", "fallback_slice": "#e6ab02", "recalled": "#7570b3",
    "exited": "#000000", "killed": "#c00000", "faulted": "#ff0000", "agent_overrun": "#e7298a",
    "agent_first": "#a6761d",
}  # fmt: skip
_OTHER_CAUSE = "#666666"


class _Picture:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._span = max(1, timeline.end)
        self._lines: list[str] = []
        self._ran: Counter = Counter()
        for each in timeline.slices:
            self._ran[each.ref] += each.end - each.start
        longest = {ref for ref, _ in self._ran.most_common(_LEGEND_ROWS)}
        self._shown = [ref for ref in timeline.threads if ref in longest]
        self._colours = self._choose_colours()

    def _choose_colours(self) -> dict[Ref, str]:
        kinds: dict[Ref, str] = {}
        for each in self._timeline.slices:
            if each.placed != CUT or each.ref not in kinds:
                kinds[each.ref] = each.placed
        palettes = {"agent": _AGENTS, "system": _SYSTEM}
        used: Counter = Counter()
        colours = dict.fromkeys(kinds, _OTHERS)
        for ref in self._shown:
            palette = palettes.get(kinds[ref], _PALETTE)
            colours[ref] = palette[used[palette] % len(palette)]
            used[palette] += 1
        return colours

    def _x(self, ns: float) -> float:
        return LEFT + ns * _PLOT / self._span

    def _y(self, cpu: int) -> int:
        return TOP + cpu * (LANE + GAP)

    @property
    def _bottom(self) -> int:
        return self._y(len(self._timeline.lanes)) - GAP + 10

    def _add(self, text: str) -> None:
        self._lines.append(text)

    def _text(self, x: float, y: float, text: str, more: str = "") -> None:
        self._add(f'<text x="{x:.1f}" y="{y:.1f}"{" " + more if more else ""}>{escape(text)}</text>')

    def _rect(self, x: float, y: float, width: float, height: float, colour: str, title: str, more: str = "") -> None:
        self._add(f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}"{more}>'
                  f"<title>{escape(title)}</title></rect>")  # fmt: skip

    def _title_of(self, each: Slice) -> str:
        name = self._timeline.name(each.ref)
        placed = "" if each.placed == CUT else f", placed by {each.placed}" if each.placed in ("server", "kernel") else f", {each.placed}"
        return f"{name} ({each.ref}) {each.start / 1e6:.6f} to {each.end / 1e6:.6f} ms{placed}; stopped: {each.why}"

    def _wide(self, each: Slice) -> None:
        x = self._x(each.start)
        data = f' class="slice" data-thread={quoteattr(self._timeline.name(each.ref))} data-cpu="{each.cpu}" data-start="{each.start}" data-end="{each.end}"'
        self._rect(x, self._y(each.cpu), self._x(each.end) - x, LANE, self._colours[each.ref], self._title_of(each), data)

    def _narrow(self, cpu: int, slices: list[Slice]) -> None:
        """A column of pixels for those that are narrower than one: each thread has its share of the height."""
        columns: dict[int, Counter] = defaultdict(Counter)
        pixel = self._span / _PLOT
        for each in slices:
            at = each.start
            while at < each.end or at == each.start:
                column = int(at / pixel)
                until = min(each.end, max(int((column + 1) * pixel), at + 1))
                columns[column][each.ref] += until - at
                at = until if until > at else at + 1
        for column, times in sorted(columns.items()):
            y = float(self._y(cpu) + LANE)
            for ref in sorted(times, key=self._timeline.name):
                height = LANE * min(1.0, times[ref] / pixel)
                y -= height
                title = f"{self._timeline.name(ref)}: {times[ref] / 1e6:.6f} ms in pieces below a pixel"
                self._rect(LEFT + column, y, 1, height, self._colours[ref], title, ' class="column"')

    def _lane(self, cpu: int) -> None:
        y = self._y(cpu)
        self._rect(LEFT, y, _PLOT, LANE, "#f7f7f7", f"CPU {cpu}: idle, or in the kernel")
        begin = self._timeline.begin_of(cpu)
        if begin:
            lost = self._timeline.trace.cpus[cpu].lost
            self._rect(LEFT, y, self._x(begin) - LEFT, LANE, "url(#lost)", f"CPU {cpu}: {lost} records lost", ' class="lost"')
        slices = self._timeline.lanes[cpu]
        wide = [each for each in slices if (each.end - each.start) * _PLOT >= self._span]
        self._narrow(cpu, [each for each in slices if (each.end - each.start) * _PLOT < self._span])
        for each in wide:
            self._wide(each)
        self._text(8, y + LANE / 2, f"CPU {cpu}", 'font-weight="bold"')
        busy = sum(each.end - each.start for each in slices)
        self._text(8, y + LANE / 2 + 15, f"{100 * busy / max(1, self._span - begin):.0f} % busy", 'fill="#666"')
        self._marks(cpu, slices)

    def _marks(self, cpu: int, slices: list[Slice]) -> None:
        """Under the lane, once for each pixel and cause."""
        drawn = Counter((int(self._x(each.end)), each.why) for each in slices if each.why != CUT)
        y = self._y(cpu) + LANE + 1
        for (x, why), count in sorted(drawn.items()):
            times = f" ({count} times)" if count > 1 else ""
            self._rect(x, y, 1.6, 6, _CAUSES.get(why, _OTHER_CAUSE), f"{why}{times}", ' class="mark"')

    def _wakes(self) -> str:
        wakes = self._timeline.wakes
        if len(wakes) > _MOST_WAKES:
            return f"{len(wakes)} wakes, too many to draw"
        for wake in wakes:
            down = wake.slice.cpu > wake.cpu
            y1 = self._y(wake.cpu) + (LANE if down else 0)
            y2 = self._y(wake.slice.cpu) + (0 if down or wake.slice.cpu == wake.cpu else LANE)
            self._add(f'<line class="wake" x1="{self._x(wake.at):.2f}" y1="{y1}" x2="{self._x(wake.slice.start):.2f}" '
                      f'y2="{y2}" stroke="#222" stroke-width="0.7" marker-end="url(#arrow)">'
                      f"<title>wake of {escape(self._timeline.name(wake.ref))}</title></line>")  # fmt: skip
        return f"{len(wakes)} wakes, as arrows"

    def _axis(self) -> None:
        step = 10 ** len(str(self._span)) / 100
        step *= next(factor for factor in (1, 2, 5, 10, 20, 50, 100) if self._span / (step * factor) <= 14)
        for number in range(int(self._span / step) + 1):
            x = self._x(number * step)
            self._add(f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{self._bottom}" stroke="#ccc" stroke-width="0.5"/>')
            label = f"{number * step / 1e6:g}" + (" ms" if number == 0 else "")
            self._text(x, self._bottom + 13, label, 'text-anchor="middle" class="tick"')

    def _legend(self) -> int:
        y = self._bottom + 40
        entries = [(self._colours[ref], f"{self._timeline.name(ref)}  {self._ran[ref] / 1e6:.1f} ms") for ref in self._shown]
        others = self._ran.keys() - set(self._shown)
        if others:
            entries.append((_OTHERS, f"{len(others)} more threads  {sum(self._ran[ref] for ref in others) / 1e6:.1f} ms"))
        y = self._boxes(y, entries, 12)
        why = Counter(each.why for each in self._timeline.slices if each.why != CUT)
        if why:
            self._text(LEFT, y + 4, "Below each lane, why a thread stopped there:")
            named = [(_CAUSES.get(cause, _OTHER_CAUSE), f"{cause}  {count}") for cause, count in why.most_common()]
            y = self._boxes(y + 22, named, 4)
        return y

    def _boxes(self, y: int, entries: list[tuple[str, str]], width: int) -> int:
        for number, (colour, text) in enumerate(entries):
            x = LEFT + number % 6 * 235
            row = y + number // 6 * 18
            self._add(f'<rect x="{x}" y="{row - 10}" width="{width}" height="12" fill="{colour}"/>')
            self._text(x + 18, row, text, 'class="legend"')
        return y + (len(entries) + 5) // 6 * 18

    def render(self, title: str) -> str:
        trace = self._timeline.trace
        self._axis()
        for cpu in range(len(trace.cpus)):
            self._lane(cpu)
        said = self._wakes() if self._timeline.has_slices else "no slices: that needs the classes dispatch and stop"
        if trace.lost:
            each = ", ".join(f"CPU {number}: {cpu.lost}" for number, cpu in enumerate(trace.cpus) if cpu.lost)
            said += f"; {trace.lost} RECORDS LOST, the oldest ({each})"
        height = self._legend() + 10
        self._text(LEFT, 20, title, 'font-size="15" font-weight="bold"')
        self._text(LEFT, 38, said, 'class="said"')
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
            '<defs><marker id="arrow" markerWidth="5" markerHeight="5" refX="4" refY="2" orient="auto">'
            '<path d="M0,0 L4,2 L0,4 z" fill="#222"/></marker>'
            '<pattern id="lost" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<rect width="4" height="8" fill="#f2b8b5"/></pattern></defs>',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *self._lines, "</svg>", "",
        ])  # fmt: skip


def render(timeline: Timeline, title: str) -> str:
    return _Picture(timeline).render(title)
