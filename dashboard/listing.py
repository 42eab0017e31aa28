"""Lists: searched while one types, narrowed by filters, sorted, in pages, live, and to take away.

A `Listing` says what one list is made of; what lists have in common is here. All of a list's state
stands in its address, so it can be kept, shared, reloaded and used without JavaScript.

A list is live by its mark: which rows its page shows, in which order, out of how many. While a
poll finds the same mark, it sends only the rows that changed; otherwise the list as a whole.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from django.db.models import F, IntegerField, Model, Q, QuerySet, Subquery, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format, number_format
from django.utils.http import int_to_base36
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_htmx.http import push_url

from dashboard import export, live, seen
from dashboard.live import Fragment
from dashboard.teams_here import chosen, here
from dashboard.templatetags.ui import shown
from snapshots import kept
from snapshots.permissions import narrowed, visible_accounts

PAGE = 100
MOST_COUNTED = 50_000  # beyond that a list says "more than"

Narrow = Callable[[QuerySet[Any], Any], QuerySet[Any]]


# -- what a list can be narrowed by ---------------------------------------------------------------


class Filter:
    """One word of the address. `value` is what it asks for, `words` the same for people.

    What a person cannot have chosen on the page is ignored.
    """

    kind = "search"

    def __init__(self, name: str, label: str, narrow: Narrow) -> None:
        self.name, self.label, self.narrow = name, label, narrow
        self.value = self.words = ""

    def read(self, raw: str) -> None:
        self.value = self.words = raw.replace("\0", "").strip()[:100]

    def asked(self) -> Any:
        """What `narrow` is given."""
        return self.value


class Choice(Filter):
    kind = "choice"

    def __init__(
        self, name: str, label: str, narrow: Narrow, options: Iterable[tuple[Any, Any]]
    ) -> None:
        super().__init__(name, label, narrow)
        self.options = [(str(value), str(words)) for value, words in options]

    def read(self, raw: str) -> None:
        self.words = dict(self.options).get(raw, "") if raw else ""
        self.value = raw if self.words else ""


class Day(Filter):
    kind = "day"

    def read(self, raw: str) -> None:
        day = self._day(raw)
        self.value, self.words = (raw, date_format(day)) if day else ("", "")

    def asked(self) -> date | None:
        return self._day(self.value)

    @staticmethod
    def _day(raw: str) -> date | None:
        try:
            return parse_date(raw)
        except ValueError:
            return None


class Link(Filter):
    """One row by its id: nothing to fill in, it comes by a link. `rows` are those one may see."""

    kind = "link"

    def __init__(self, name: str, label: str, narrow: Narrow, rows: QuerySet[Any]) -> None:
        super().__init__(name, label, narrow)
        self.rows = rows

    def read(self, raw: str) -> None:
        self.value = raw if raw.isascii() and raw.isdigit() and len(raw) < 19 else ""
        if self.value:
            found = self.rows.filter(pk=self.value).values_list("name", flat=True).first()
            self.value, self.words = (raw, found) if found is not None else ("", "")


def search(name: str, label: str, *fields: str) -> Filter:
    """Any of `fields` contains what is typed."""

    def narrow(rows: QuerySet[Any], words: str) -> QuerySet[Any]:
        query = Q(pk__in=[])
        for field in fields:
            query |= Q(**{f"{field}__icontains": words})
        return rows.filter(query)

    return Filter(name, label, narrow)


# -- the list -------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A head. `word` stands in the address and `field` in the query.

    Where to put what is empty must be said, and then no index serves: only where it `may_be_empty`.
    """

    label: Any
    word: str = ""
    field: str = ""
    down_first: bool = False
    may_be_empty: bool = False
    css: str = ""


class Counted(Subquery):
    """How many rows a query has, as a column: it is counted once, with the same question."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class Listing(ABC):
    """One list as one request asks for it."""

    name: ClassVar[str]  # of its address and its live region
    body: ClassVar[str] = "lists/_table.html"
    empty: ClassVar[str] = "accounts/_nothing_yet.html"
    columns: ClassVar[Sequence[Column]] = ()
    fields: ClassVar[Sequence[str]]  # of a file; the same in every language
    default_sort: ClassVar[str] = ""  # the word of a column, with a minus for downwards
    shown_of: ClassVar[Sequence[tuple[type[Model], str]]] = ()  # what changes a row: `Since.rows`
    bulk: ClassVar[str] = ""  # the address to which selected rows are sent
    bulk_button: ClassVar[str] = ""

    heading: ClassVar[Any]
    nothing_matches: ClassVar[Any]
    nothing_yet: ClassVar[Any]

    def __init__(self, request: HttpRequest) -> None:
        self.request, self.user = request, request.user
        self.path, self.now = reverse(self.name), timezone.now()
        known, team = seen.accounts(request), chosen(request)
        self.accounts = {pk: one for pk, one in known.items() if team in (None, one.team_id)}
        self.labels = {column.word: str(column.label) for column in self.columns}
        self.filters = self.offered()
        for one in self.filters:
            one.read(request.GET.get(one.name, ""))

    # -- what a list says of itself

    @abstractmethod
    def offered(self) -> list[Filter]:
        """The filters, in their order on the page."""

    @abstractmethod
    def everything(self) -> QuerySet[Any]:
        """What one may see, of the chosen team: what belongs to `accounts`, which are just that.

        By their ids an index serves, and no other table is asked.
        """

    def reached(self, rows: QuerySet[Any], server: str) -> QuerySet[Any]:
        """Of rows of `accounts` those that the person reaches; `server` leads to their server."""
        return narrowed(self.user, rows, team="account__team_id", server=server)

    def in_full(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """`rows` with the columns that are shown and neither sorted nor narrowed by."""
        return rows

    def some(self, ids: list[int]) -> list[Any]:
        """These rows of the page, with the same columns."""
        return list(self.in_full(self.everything()).filter(pk__in=ids))

    def complete(self, rows: list[Any]) -> None:
        """Read what the rows of one page show besides: a query or two for all of them."""
        return

    def complete_for_file(self, rows: list[Any]) -> None:
        """The same of what a file tells of them."""
        self.complete(rows)

    @abstractmethod
    def row(self, row: Any, *, oob: bool = False) -> SafeString: ...

    @abstractmethod
    def record(self, row: Any) -> Iterable[Any]:
        """The row in a file: the values of `fields`."""

    @abstractmethod
    def counted(self, number: int) -> str:
        """ "14 servers"."""

    @property
    def may_pick(self) -> bool:
        """Whether there is something to do with several rows at once."""
        return False

    def by_account(self) -> Filter:
        labels = sorted((shown(one.label), pk) for pk, one in self.accounts.items())
        return Choice(
            "account",
            _("Account"),
            lambda rows, pk: rows.filter(account=pk),
            [(pk, label) for label, pk in labels],
        )

    # -- the address

    @property
    def chosen(self) -> list[Filter]:
        return [one for one in self.filters if one.value]

    def value_of(self, name: str) -> str:
        return next((one.value for one in self.chosen if one.name == name), "")

    def address(self, **changes: Any) -> str:
        """The query of this list, tidy. `address(q="")` is the one without `q`."""
        words = {one.name: one.value for one in self.chosen} | {"sort": self.sort} | changes
        if words["sort"] == self.default_sort:
            del words["sort"]
        return "?" + urlencode({name: word for name, word in words.items() if word})

    @property
    def sort(self) -> str:
        asked = self.request.GET.get("sort", "")
        known = {column.word for column in self.columns if column.word}
        return asked if asked.removeprefix("-") in known else self.default_sort

    @property
    def asked_page(self) -> int:
        raw = self.request.GET.get("page", "")
        return max(int(raw), 1) if raw.isascii() and raw.isdigit() and len(raw) < 7 else 1

    # -- its rows

    def matching(self) -> QuerySet[Any]:
        rows = self.everything()
        for one in self.chosen:
            rows = one.narrow(rows, one.asked())
        return self.sorted(rows)

    def sorted(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        word = self.sort.removeprefix("-")
        column = next(column for column in self.columns if column.word == word)
        down = self.sort.startswith("-")
        field: Any = f"-{column.field}" if down else column.field
        if column.may_be_empty:
            by = F(column.field)
            field = by.desc(nulls_last=True) if down else by.asc(nulls_first=True)
        return rows.order_by(field, "-pk" if down else "pk")

    def read(self) -> None:
        """The rows of the page, and how many there are: one question."""
        matching = self.matching()
        self.rows = self._page(matching, self.asked_page)
        if not self.rows and self.asked_page > 1:  # beyond the end: the last page
            total = matching.order_by().count()
            self.rows = self._page(matching, max(1, -(-total // PAGE)))
        self.complete(self.rows)

    def _page(self, matching: QuerySet[Any], number: int) -> list[Any]:
        self.number, begin = number, PAGE * (number - 1)
        found = list(self.in_full(self._with_total(matching))[begin : begin + PAGE])
        total = found[0].total if found else 0
        self.is_more, self.total = total > MOST_COUNTED, min(total, MOST_COUNTED)
        self.pages = max(1, -(-total // PAGE))
        self.first, self.last = begin + 1, begin + len(found)
        return found

    @staticmethod
    def _with_total(rows: QuerySet[Any]) -> QuerySet[Any]:
        countable = rows.order_by().values(one=Value(1))[: MOST_COUNTED + 1]
        return rows.annotate(total=Counted(countable))

    # -- for templates

    def table(self) -> Iterator[SafeString]:
        return (self.row(row) for row in self.rows)

    @property
    def words(self) -> str:
        """How many there are; said aloud when it changes."""
        if self.is_more:
            return _("More than %(number)s") % {"number": number_format(self.total)}
        return self.counted(self.total)

    @property
    def span(self) -> str:
        places = {"first": self.first, "last": self.last, "total": self.total}
        if self.is_more:
            return _("%(first)d–%(last)d of more than %(total)d") % places
        return _("%(first)d–%(last)d of %(total)d") % places

    def heads(self) -> Iterator[dict[str, Any]]:
        for column in self.columns:
            word = column.word
            is_up, is_down = self.sort == word, self.sort == f"-{word}"
            down_next = is_up or (column.down_first and not is_down)
            yield {
                "column": column,
                "order": "ascending" if is_up else "descending" if is_down else "",
                "arrow": "arrow-up" if is_up else "arrow-down",
                "href": self.address(sort=f"-{word}" if down_next else word),
            }

    @property
    def all_at_once(self) -> bool:
        """Whether all that match can be taken together, which needs no boxes and no JavaScript."""
        return 1 < self.total <= PAGE

    def chips(self) -> Iterator[dict[str, str]]:
        for one in self.chosen:
            words = shown(one.words)
            yield {
                "name": one.name,
                "label": one.label,
                "words": words,
                "href": self.address(**{one.name: ""}),
            }

    @property
    def previous(self) -> str:
        return self.address(page=self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        return self.address(page=self.number + 1) if self.number < self.pages else ""

    @property
    def as_csv(self) -> str:
        return self.address(format="csv")

    @property
    def as_json(self) -> str:
        return self.address(format="json")

    # -- live

    @property
    def mark(self) -> str:
        return self._mark([(row.pk, row.total) for row in self.rows])

    def _mark(self, rows: Sequence[tuple[int, int]]) -> str:
        shape = (sorted(self.accounts.items()), rows[:1], [pk for pk, _total in rows])
        return int_to_base36(zlib.crc32(repr(shape).encode()))

    def changes(self, since: live.Since) -> Iterator[Fragment | SafeString]:
        """What a poll sends: the rows that changed, or the list if others are on the page now."""
        now = self._shape()
        if since.list == self._mark(now):
            changed = self._changed([pk for pk, _total in now], since)
        else:
            changed = None
        if changed is None:
            self.read()
            since.list = self.mark
            yield Fragment("lists/_results.html", self.context())
        else:
            if changed:
                self.complete(changed)
            yield from (self.row(row, oob=True) for row in changed)

    def _shape(self) -> list[tuple[int, int]]:
        """The id of each row of the page, and how many match in all."""
        begin = PAGE * (self.asked_page - 1)

        def write() -> QuerySet[Any, tuple[int, int]]:
            page = self._with_total(self.matching()).values_list("pk", "total")
            return page[begin : begin + PAGE]

        if self.chosen or not self.shown_of:  # it may depend on anything, such as the time
            return list(write())
        reach = tuple(self.user.standing.items()) if self.user.scopes else ()
        return kept.ask((self.name, reach, *self.accounts, self.sort, begin), write)

    def _changed(self, page: list[int], since: live.Since) -> list[Any] | None:
        if not self.shown_of:
            return []
        found = since.rows(*self.shown_of)
        if found is None:
            return None
        here = found.intersection(page)
        return self.some(list(here)) if here else []

    # -- answers

    def context(self) -> dict[str, Any]:
        if self.rows or self.chosen:
            return {"listing": self}
        accounts = here(self.request, visible_accounts(self.user)).order_by("label")
        return {"listing": self, "accounts": accounts[:5]}

    def answer(self) -> HttpResponse:
        """The page; for a search while typing only its results, and a tidy address; or a file."""
        if form := export.asked(self.request):
            return export.stream(form, self.name, self.fields, self._records())
        watch = live.watching(self.request, self.name)
        self.read()
        watch.list = self.mark
        context = self.context() | {"live": watch}
        if self.request.htmx.target != "results":
            return render(self.request, "lists/page.html", context)
        results = render(self.request, "lists/_results.html", context)
        address = self.path + self.address(page=self.number if self.number > 1 else "")
        return push_url(results, address.rstrip("?"))

    def _records(self) -> Iterator[Iterable[Any]]:
        for rows in export.portions(self.in_full(self.matching())):
            self.complete_for_file(rows)
            yield from (self.record(row) for row in rows)
