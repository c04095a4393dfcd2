"""Whole sentences of prose out of Debian's manuals, one document a section.

usage: extract_prose.py /usr/share/doc OUT_DIR
"""
import glob
import gzip
import html.parser
import json
import re
import sys

DOC, OUT = sys.argv[1:]
SOURCES = {
    "ko": [("installation-guide-amd64/ko/*.html", None),
           ("debian/FAQ/ko/*.ko.html", None),
           ("../libreoffice/help/ko/text/s*/guide/*.html", 100_000)],
    # Cut so that both languages have about as much to read.
    "en": [("installation-guide-amd64/en/*.html", None),
           ("debian/FAQ/*.en.html", None),
           ("debian-handbook/html/en-US/*.html", 180_000)],
}
# Licence texts, indexes and navigation are no prose.
SKIPPED = re.compile(r"/(apb?[a-z]*s0\d|gpl|index|GNU|ix01|copyright|faqinfo|"
                     r"apf|go01|license|uptodate)", re.I)
HIDDEN = {"pre", "table", "script", "style", "head", "title", "sup"}


class Paragraphs(html.parser.HTMLParser):
    """Collects the paragraphs of each section: [[paragraph, ...], ...]."""

    def __init__(self):
        super().__init__()
        self.sections, self.text, self.depth, self.hidden = [[]], None, 0, 0

    def handle_starttag(self, tag, attrs):
        classes = dict(attrs).get("class") or ""
        if tag in HIDDEN:
            self.hidden += 1
        if tag == "h2" or tag == "h3":
            self.sections.append([])
        if tag == "p" or (tag == "div" and classes == "para"):
            self.close()
            self.text = ""

    def handle_endtag(self, tag):
        if tag in HIDDEN and self.hidden:
            self.hidden -= 1
        if tag in ("p", "div", "li", "ul", "ol"):
            self.close()

    def handle_data(self, data):
        if self.text is not None and not self.hidden:
            self.text += data

    def close(self):
        if self.text is not None:
            text = re.sub(r"\s+", " ", self.text).strip()
            if text:
                self.sections[-1].append(text)
        self.text = None


def particles_agree(text):
    """를 follows an open syllable, 을 a closed one: translations with slots
    filled in by a program often err here."""
    return all(((ord(before) - 0xAC00) % 28 != 0) == (particle == "을")
               for before, particle in re.findall(r"([가-힣])([을를])\b", text)
               if before + particle not in ("가을", "마을", "노을"))


def is_prose(text, language):
    letters = sum(c.isalpha() for c in text)
    hangul = sum("가" <= c <= "힣" for c in text)
    if len(text) < (40 if language == "ko" else 80) or text[-1] not in ".?!":
        return False
    if letters < 0.66 * len(text) or not particles_agree(text):
        return False
    if "http" in text or re.search(r"[_=<>{}|\\@]|/.*/", text):
        return False
    return hangul > 0.5 * letters if language == "ko" else hangul == 0


def documents(pattern, language):
    for path in sorted(glob.glob(f"{DOC}/{pattern}")):
        if SKIPPED.search(path):
            continue
        parser = Paragraphs()
        with open(path, encoding="utf-8") as file:
            parser.feed(file.read())
        for section in parser.sections:
            kept = [p for p in section if is_prose(p, language)]
            if kept:
                yield "\n".join(kept)


for language, sources in SOURCES.items():
    lines, seen = [], set()
    for pattern, limit in sources:
        size = 0
        for text in documents(pattern, language):
            size += len(text)
            if text in seen or (limit and size > limit):
                continue
            seen.add(text)
            lines.append(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    data = "".join(lines).encode()
    with open(f"{OUT}/prose.{language}.jsonl.gz", "wb") as file:
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            packed.write(data)
    print(f"{language}: {len(lines)} documents, {len(data)} bytes")
