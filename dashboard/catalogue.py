"""The catalogues of translations: gathered from the source, filled by translators, compiled.

A tool for development (`manage.py messages`): needs Babel, no GNU gettext. What runs reads only
the compiled files, which are committed beside their sources. Nothing is ever guessed: a sentence
that changed is a new sentence, and is missing until somebody translates it.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from gettext import GNUTranslations
from pathlib import Path
from typing import Any, NamedTuple

import django
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation import get_language_info
from django.utils.translation.template import templatize

from snapshots.text import END_OF_ISOLATE, ISOLATE

ROOT = Path(settings.BASE_DIR)
DJANGO = Path(django.__file__).parent / "conf" / "locale"
CODE = ("dashboard", "snapshots")
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
KEYWORDS = DEFAULT_KEYWORDS | {
    f"{name}{ending}": DEFAULT_KEYWORDS[name]
    for name in ("gettext", "ngettext", "pgettext", "npgettext")
    for ending in ("_lazy", "_noop")
}
NAMED = re.compile(r"%\((\w+)\)[a-z]|\{(\w*)\}")
POSITIONAL = re.compile(r"%(?:\.\d+)?[a-z]")
VALUE = re.compile(r"%(?:\(\w+\))?s|\{\w+\}")


class Key(NamedTuple):
    """What gettext looks a translation up by."""

    context: str | None
    id: str


class Words(Catalog):
    """A catalogue whose head says nothing that changes by itself.

    Its plural forms are those of Django's own catalogue: Babel orders Arabic's differently.
    """

    def __init__(self, language: str | None = None) -> None:
        super().__init__(language, header_comment="", fuzzy=False)
        if language:
            path = DJANGO / language / "LC_MESSAGES" / "django.mo"
            with path.open("rb") as file:
                rule = GNUTranslations(file).info()["plural-forms"]
            self._plural_expr = rule.partition("plural=")[2].rstrip("; ")
            self._num_plurals = int(rule.partition("nplurals=")[2].partition(";")[0])

    @property
    def mime_headers(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return [
            ("Project-Id-Version", "Holdfast"),
            ("Language", str(self.locale)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


# -- gathering ------------------------------------------------------------------------------------


def gather() -> Words:
    """Every sentence of the source, in the order of files and lines."""
    words = Words()
    for path, source in _sources():
        for _line, found, _comments, context in extract("python", source, keywords=KEYWORDS):
            words.add(found, locations=[(path, None)], context=context)
    return words


def _sources() -> Iterator[tuple[str, io.BytesIO]]:
    """Python as it is; templates as Python that makes the same calls."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield _name(path), io.BytesIO(path.read_bytes())
    for path in sorted((ROOT / "templates").rglob("*.*")):
        calls = templatize(path.read_text("utf-8"), origin=_name(path))
        flat = "\n".join(line.lstrip() for line in calls.splitlines())
        yield _name(path), io.BytesIO(flat.encode())


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- files ----------------------------------------------------------------------------------------


def po_file(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> dict[Key, Message]:
    path = po_file(language)
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {key(message): message for message in read_po(file, locale=language) if message.id}


def key(message: Message) -> Key:
    first = message.id if isinstance(message.id, str) else message.id[0]
    return Key(message.context, first)


def update(language: str, translate: Callable[[Message], Any] | None = None) -> None:
    """Bring the files of one language up to the source; `translate` may bring translations."""
    known, words = read(language), gather()
    translated = Words(language)
    for message in words:
        if not message.id:
            continue
        old = known.get(key(message))
        kept = old.string if old and old.id == message.id and not old.fuzzy else None
        string = (translate and translate(message)) or kept or ""
        where = [(path, None) for path in dict.fromkeys(path for path, _line in message.locations)]
        translated.add(message.id, string, locations=where, context=message.context)
    path = po_file(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, translated, width=None)
    path.with_suffix(".mo").write_bytes(compiled(language))


def compiled(language: str) -> bytes:
    """What the .mo has to be. Sentences that nobody has translated are left out."""
    words = Words(language)
    isolated = get_language_info(language)["bidi"]
    for message in read(language).values():
        if is_complete(message):
            string = _isolated(message.string) if isolated else message.string
            words.add(message.id, string, context=message.context)
    binary = io.BytesIO()
    write_mo(binary, words)
    return binary.getvalue()


def _isolated(string: Any) -> Any:
    """With each value but plain numbers kept apart from what is around it, whatever it will be.

    Where only values are written in letters, these must go on saying which way one reads.
    """
    if not isinstance(string, str):
        return tuple(_isolated(form) for form in string)
    if not any(char.isalpha() for char in _without_placeholders(string)):
        return string
    return VALUE.sub(rf"{ISOLATE}\g<0>{END_OF_ISOLATE}", string)


# -- translations ---------------------------------------------------------------------------------


def is_complete(message: Message) -> bool:
    strings = [message.string] if isinstance(message.string, str) else message.string
    return all(strings) and not message.fuzzy


def missing(language: str) -> list[dict[str, Any]]:
    known = read(language)
    forms = Words(language).num_plurals
    return [
        {
            "context": message.context,
            "id": key(message).id,
            "plural": None if isinstance(message.id, str) else message.id[1],
            "str": "" if isinstance(message.id, str) else [""] * forms,
            "where": sorted({path for path, _line in message.locations}),
        }
        for message in gather()
        if message.id and not (key(message) in known and is_complete(known[key(message)]))
    ]


def fill(language: str, entries: list[dict[str, Any]]) -> list[str]:
    """Take translations in. What is wrong with the others is the answer, one line each."""
    given = {Key(entry.get("context") or None, entry["id"]): entry["str"] for entry in entries}
    wanted = {key(message): message for message in gather() if message.id}
    wrong = {
        one: complaint
        for one, string in given.items()
        if (complaint := _complaint(language, wanted.get(one), string))
    }

    def translate(message: Message) -> Any:
        one = key(message)
        if one not in given or one in wrong:
            return None
        return given[one] if isinstance(given[one], str) else tuple(given[one])

    update(language, translate)
    return [f"{one.id!r}: {complaint}" for one, complaint in wrong.items()]


def _complaint(language: str, message: Message | None, string: Any) -> str:
    if message is None:
        return "is not in the source (any more)"
    forms = Words(language).num_plurals
    if isinstance(message.id, str) != isinstance(string, str):
        return f"needs {'one sentence' if isinstance(message.id, str) else f'{forms} forms'}"
    if not isinstance(string, str) and len(string) != forms:
        return f"needs {forms} forms, not {len(string)}"
    return mistake(message.id, string)


def mistake(source: str | tuple[str, ...], string: str | list[str] | tuple[str, ...]) -> str:
    """What would break or mislead where the translation is used; empty if nothing."""
    sources = [source] if isinstance(source, str) else [*source]
    strings = [string] if isinstance(string, str) else [*string]
    for one in strings:
        if not one.strip():
            return "is empty"
        if _edges(one) != _edges(sources[0]):
            return f"begins or ends with other white space: {one!r}"
        if "%%" in sources[0] and "%" in _without_placeholders(one):
            return f"has a single % where %% is meant: {one!r}"
        if not any(_fits(one, like, is_plural=len(sources) > 1) for like in sources):
            return f"has other placeholders: {one!r}"
    return ""


def _fits(string: str, source: str, *, is_plural: bool) -> bool:
    """The same values go in. A plural form may leave out the number, where it has a name."""
    has, wants = _placeholders(string), _placeholders(source)
    if has[0] != wants[0]:
        return False
    lacking = set(wants[1]) - set(has[1])
    return not set(has[1]) - set(wants[1]) and len(lacking) <= int(is_plural)


def _placeholders(text: str) -> tuple[list[str], Counter[str]]:
    plain = text.replace("%%", "")
    named = Counter(found[0] for found in NAMED.finditer(plain))
    return POSITIONAL.findall(NAMED.sub("", plain)), named


def _without_placeholders(text: str) -> str:
    return POSITIONAL.sub("", NAMED.sub("", text.replace("%%", "")))


def _edges(text: str) -> tuple[str, str]:
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
