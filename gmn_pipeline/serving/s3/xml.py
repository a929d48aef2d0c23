"""XML of S3: made, and read from whoever sends it.

What belongs here: elements and texts. What does not: which of them there are.
"""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'


_NOT_IN_XML = re.compile("[^\t\n\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NotXml(ValueError):
    """It is none, or more than is wanted."""


def element(name: str, **texts: object) -> Element:
    """An element with texts below it; one that is None is left out."""
    made = Element(name)
    add(made, **texts)
    return made


def add(to: Element, **texts: object) -> None:
    """Texts below an element."""
    for name, text in texts.items():
        if text is not None:
            SubElement(to, name).text = _text(text)


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NOT_IN_XML.sub("\ufffd", text)


def xml(root: Element) -> bytes:
    """A document."""
    if root.tag != "Error":
        root.set("xmlns", NAMESPACE)
    body: bytes = tostring(root, encoding="utf-8")
    return HEAD + body


def parsed(body: bytes) -> Element:
    """A document that somebody sent, without entities, references and definitions of its own.
    Raises NotXml."""
    # Not before something is sent: who does not speak S3 needs not have it.
    from defusedxml import ElementTree as Defused
    from defusedxml.common import DefusedXmlException

    try:
        root: Element = Defused.fromstring(body, forbid_dtd=True)
    except (Defused.ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise NotXml(f"What the request brings is no XML: {error}.") from error
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
    return root


def texts_of(root: Element, path: str) -> Iterable[str]:
    """The texts of all elements at a path."""
    return (one.text or "" for one in root.findall(path))
