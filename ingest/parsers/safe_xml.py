"""XML of unknown origin as a tree."""

from __future__ import annotations

from typing import Any

from lxml import etree


def read_xml(data: bytes) -> Any:
    """The root element of a part; entities stay unread, so that no small file becomes a huge tree."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    return etree.fromstring(data, parser=parser)
