"""The report as one HTML file that needs no network: records in, a string out.

The page may run nothing but its own parts: a Content-Security-Policy names its style sheet and its two
scripts by hash. Vega's expressions are interpreted (`ast`), so not even `eval` has to be allowed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from .. import __version__
from ..bench.profile.operator_profile import Profile
from ..bench.record.record import Record
from ..bench.stats.camera import FrameTimes
from ..bench.stats.scores import Scores
from . import theme
from .page import Page, fragment, json_text, page_of
from .sections import Section, all_sections


def _template(name: str) -> str:
    return (files(__name__.rpartition(".")[0]) / "templates" / name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from vl-convert; nothing is fetched."""
    import vl_convert  # here, since loading it takes as long as the rest of the report

    return inline_script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def inline_script(code: str) -> str:
    """The same JavaScript without what would end or garble the script element around it.

    Inside strings and regular expressions, the only places where these can stand, the escapes mean the same.
    """
    return re.sub(r"<(/script|script|!--)", r"\\x3c\1", code, flags=re.IGNORECASE)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def content_security_policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Nothing may be loaded; only these style sheets and these scripts may run."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; "
        f"style-src {' '.join(map(_hash, styles))}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _style(*more: str) -> str:
    """The style sheet with the colours of both modes set in front; paper is always light."""
    light, dark = theme.css_variables(theme.LIGHT), theme.css_variables(theme.DARK)
    return (
        f":root{{color-scheme:light dark;--font:{theme.FONT};{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        + "\n".join(_template(name) for name in ("page.css", *more))
    )


@dataclass(frozen=True)
class Part:
    """One section of a page: what it is linked by, its heading, what stands below it."""

    name: str
    title: str
    html: Markup


def document(title: str, head: Sequence[Markup], parts: Sequence[Part], *, styles: Sequence[str] = ()) -> str:
    """A whole page: `styles` are further style sheets among the templates."""
    style, script, bundle = _style(*styles), inline_script(_template("choose.js") + _template("page.js")), _bundle()
    return str(
        fragment(
            _template("page.html.jinja"),
            title=title,
            policy=content_security_policy([style], [bundle, script]),
            style=Markup(style),  # noqa: S704 - our own files
            bundle=Markup(bundle),  # noqa: S704 - vl-convert's own file, made safe above
            script=Markup(script),  # noqa: S704 - our own file
            config=json_text(theme.config(theme.VARIABLES)),
            head=head,
            parts=parts,
            licences=_template("licences.txt"),
            version=__version__,
        )
    )


def _render(page: Page) -> list[tuple[str, Section, Markup]]:
    """The sections that are not left out, with the names of their files."""
    return [(name, section, html) for name, section in all_sections() if (html := section.render(page)) is not None]


def render_html(
    records: Sequence[Record],
    profiles: Sequence[Profile] = (),
    times: Mapping[str, FrameTimes] | None = None,
    scores: Mapping[str, Scores] | None = None,
) -> str:
    """The whole page as a string; `times` of the frames of cameras and `scores` of films, by blob."""
    page = page_of(records, profiles, times, scores)
    sections = _render(page)
    return document(
        page.headline.title,
        [html for _, section, html in sections if not section.title],
        [Part(name, section.title, html) for name, section, html in sections if section.title],
    )
