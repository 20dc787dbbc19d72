"""Specifications turned into SVG without a browser or network: small, the same bytes each time, light and dark.

Vega writes each colour as a presentation attribute; a style sheet rule that matches the attribute replaces it in the
dark, both inside a page and in a picture of its own.
"""

from __future__ import annotations

import base64
import functools
import re
import threading
from typing import Any
from xml.etree import ElementTree as ET  # only vl-convert's own output is parsed

import vl_convert

from bighead_ci.documents.base import canonical_json
from bighead_ci.reporting.charts import BAD, GRID, INK, MINE, MUTED, OTHERS, Spec
from bighead_ci.reporting.escaping import text

DARK = {
    INK: "#f0f6fc",
    MUTED: "#9198a1",
    GRID: "#3d444d",
    MINE: "#4493f8",
    BAD: "#f85149",
    **dict(zip(OTHERS[:3], ("#f0883e", "#ab7df8", "#d29922"), strict=True)),
}
"""Light colour → its dark counterpart."""

PAPER, DARK_PAPER = "#ffffff", "#0d1117"
_LARGEST = 16_384
"""Characters of one inline picture: 12 kB in base64."""

_SVG = "http://www.w3.org/2000/svg"
_FONT = {"font-family": "-apple-system,Segoe UI,Arial,sans-serif", "font-size": "11"}
_DROPPED = {"class", "aria-hidden", "aria-roledescription", "aria-label", "role", "pointer-events", "version", *_FONT}
_DEFAULTS = {
    ("opacity", "1"), ("stroke-width", "1"), ("stroke-miterlimit", "10"), ("font-weight", "normal"), ("x2", "0"),
    ("y2", "0"), ("text-anchor", "start"), ("transform", "translate(0,0)"),
}  # fmt: skip
_DECIMALS = re.compile(r"-?\d+\.\d{2,}")
_GEOMETRY = {"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""https://www.w3.org/TR/xml/#charsets"""
_UNPAINTED = {"none", "transparent"}
_LOCK = threading.Lock()

ET.register_namespace("", _SVG)


def dark_rules() -> str:
    """Style rules that turn the light colours of a plot into the dark ones."""
    return "".join(f'[fill="{a}"]{{fill:{b}}}[stroke="{a}"]{{stroke:{b}}}' for a, b in DARK.items())


def svg(spec: Spec, alternative: str) -> str:
    """The plot for use inside a page; `alternative` says in words what it shows."""
    root = _drawing(spec, alternative)
    root.set("role", "img")
    return ET.tostring(root, encoding="unicode")


def data_uri(spec: Spec, alternative: str) -> str:
    """The plot as an address that needs no host; it brings its own background, light or dark."""
    root = _drawing(spec, alternative)
    style = ET.Element(f"{{{_SVG}}}style")
    style.text = f"@media(prefers-color-scheme:dark){{{dark_rules()}[fill='{PAPER}']{{fill:{DARK_PAPER}}}}}"
    paper = ET.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "rx": "6", "fill": PAPER})
    root[:0] = [style, paper]
    return "data:image/svg+xml;base64," + base64.b64encode(ET.tostring(root)).decode()


def inline_picture(spec: Spec, words: str) -> str:
    """The plot as a Markdown image; empty when it is too large to sit in a comment."""
    uri = data_uri(spec, words)
    return f"![{text(words)}]({uri})" if len(uri) <= _LARGEST else ""


def _drawing(spec: Spec, alternative: str) -> ET.Element:
    root = ET.fromstring(_drawn(canonical_json(_as_xml_text(spec))))  # noqa: S314 - made by vl-convert
    root.set("aria-label", _as_xml_text(alternative))
    return root


def _as_xml_text(value: Any) -> Any:
    """The same with a replacement for each character that XML cannot hold: on one of them vl-convert aborts."""
    if isinstance(value, str):
        return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_as_xml_text(key): _as_xml_text(inner) for key, inner in value.items()}
    return [_as_xml_text(inner) for inner in value] if isinstance(value, list | tuple) else value


@functools.lru_cache(maxsize=512)
def _drawn(spec: str) -> str:
    """The plot as short SVG. The first costs the start of V8 (0.4 s), the others about 15 ms."""
    with _LOCK:
        drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    root = ET.fromstring(drawn)  # noqa: S314 - made by vl-convert from our own specification
    _shorten(root)
    root.attrib.update(_FONT)
    return ET.tostring(root, encoding="unicode")


def _shorten(element: ET.Element) -> None:
    """Drop what nobody sees, round to a tenth of a pixel, and merge groups that only nest."""
    for name in _DROPPED & set(element.attrib):
        del element.attrib[name]
    for name in _GEOMETRY & set(element.attrib):
        element.set(name, _DECIMALS.sub(lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), element.attrib[name]))
    for name, _ in _DEFAULTS & set(element.attrib.items()):
        del element.attrib[name]
    for child in list(element):
        _shorten(child)
        if _invisible(child):
            element.remove(child)
    if element.tag == f"{{{_SVG}}}g":
        element[:] = [piece for child in element for piece in (child if _bare_group(child) else [child])]


def _bare_group(element: ET.Element) -> bool:
    return element.tag == f"{{{_SVG}}}g" and not element.attrib


def _invisible(element: ET.Element) -> bool:
    tag = element.tag.removeprefix(f"{{{_SVG}}}")
    if tag == "g":
        return not len(element)
    if tag == "text":
        return not (element.text or len(element))
    return tag == "path" and all(element.get(paint, "none") in _UNPAINTED for paint in ("fill", "stroke"))
