"""Presentation MathML to LaTeX."""

from __future__ import annotations

import unicodedata

from lxml import etree

DEEPEST = 200  # elements in each other; what lies deeper gives only its text

_SYMBOLS = {
    "−": "-", "×": r"\times", "÷": r"\div", "±": r"\pm", "∓": r"\mp", "⋅": r"\cdot", "·": r"\cdot",
    "∗": "*", "∘": r"\circ", "∙": r"\bullet", "⊕": r"\oplus", "⊗": r"\otimes", "⊙": r"\odot",
    "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv", "∼": r"\sim",
    "≃": r"\simeq", "≅": r"\cong", "∝": r"\propto", "≪": r"\ll", "≫": r"\gg", "≺": r"\prec",
    "≻": r"\succ", "∈": r"\in", "∉": r"\notin", "∋": r"\ni", "⊂": r"\subset", "⊃": r"\supset",
    "⊆": r"\subseteq", "⊇": r"\supseteq", "∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset",
    "∖": r"\setminus", "∧": r"\wedge", "∨": r"\vee", "¬": r"\neg", "∀": r"\forall",
    "∃": r"\exists", "∄": r"\nexists", "⊢": r"\vdash", "⊨": r"\models", "⊤": r"\top", "⊥": r"\perp",
    "∥": r"\parallel",
    "∣": r"\mid", "‖": r"\|", "→": r"\to", "←": r"\leftarrow", "↔": r"\leftrightarrow",
    "⇒": r"\Rightarrow", "⇐": r"\Leftarrow", "⇔": r"\Leftrightarrow", "↦": r"\mapsto",
    "↑": r"\uparrow", "↓": r"\downarrow", "⟶": r"\longrightarrow", "⟹": r"\Longrightarrow",
    "⟺": r"\Longleftrightarrow", "↪": r"\hookrightarrow", "⇀": r"\rightharpoonup",
    "∑": r"\sum", "∏": r"\prod", "∐": r"\coprod", "∫": r"\int", "∬": r"\iint", "∭": r"\iiint",
    "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap", "⨁": r"\bigoplus", "⨂": r"\bigotimes",
    "∂": r"\partial", "∇": r"\nabla", "∞": r"\infty", "√": r"\sqrt", "∠": r"\angle",
    "△": r"\triangle",
    "…": r"\ldots", "⋯": r"\cdots", "⋮": r"\vdots", "⋱": r"\ddots", "′": "'", "″": "''", "‴": "'''",
    "ℝ": r"\mathbb{R}", "ℂ": r"\mathbb{C}", "ℕ": r"\mathbb{N}", "ℤ": r"\mathbb{Z}",
    "ℚ": r"\mathbb{Q}", "ℙ": r"\mathbb{P}", "𝔼": r"\mathbb{E}", "ℓ": r"\ell", "ℏ": r"\hbar",
    "ℜ": r"\Re", "ℑ": r"\Im", "ℵ": r"\aleph", "⟨": r"\langle", "⟩": r"\rangle", "⌈": r"\lceil",
    "⌉": r"\rceil", "⌊": r"\lfloor", "⌋": r"\rfloor", "∴": r"\therefore", "∵": r"\because",
    "†": r"\dagger", "‡": r"\ddagger", "°": r"^\circ", "⊞": r"\boxplus", "□": r"\square",
    "ϵ": r"\epsilon", "ε": r"\varepsilon", "ϕ": r"\phi", "φ": r"\varphi", "ϑ": r"\vartheta",
    "ϱ": r"\varrho", "ς": r"\varsigma", "ϖ": r"\varpi", "{": r"\{", "}": r"\}", "%": r"\%",
    "#": r"\#", "&": r"\&", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "", "\u200b": "",
    "\xa0": " ",
}  # fmt: skip
_FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "coth", "log", "ln", "lg", "exp", "lim", "limsup", "liminf", "max", "min", "sup", "inf", "det",
    "dim", "ker", "deg", "gcd", "arg", "hom", "Pr", "mod",
}  # fmt: skip
_ACCENTS = {
    "^": r"\hat", "ˆ": r"\hat", "~": r"\tilde", "˜": r"\tilde", "¯": r"\bar", "‾": r"\overline",
    "→": r"\vec", "⃗": r"\vec", "˙": r"\dot", "¨": r"\ddot", "ˇ": r"\check", "˘": r"\breve",
    "´": r"\acute", "`": r"\grave", "⏞": r"\overbrace", "_": r"\overline", "―": r"\overline",
}  # fmt: skip
_UNDER = {"_": r"\underline", "⏟": r"\underbrace", "̲": r"\underline", "―": r"\underline"}
_ALPHABETS = {
    "bold": r"\mathbf", "double-struck": r"\mathbb", "script": r"\mathcal", "fraktur": r"\mathfrak",
    "sans-serif": r"\mathsf", "monospace": r"\mathtt", "bold-italic": r"\boldsymbol",
}  # fmt: skip
_FENCES = {"(", ")", "[", "]", "{", "}", "|", "⟨", "⟩", "⌈", "⌉", "⌊", "⌋", "‖"}
_INVISIBLE = {"annotation", "annotation-xml", "mphantom", "maligngroup", "malignmark", "none"}


def _greek() -> dict[str, str]:
    names = {}
    for code in range(0x391, 0x3CA):
        words = unicodedata.name(chr(code), "").split()
        if len(words) == 4 and words[2] == "LETTER" and words[3] not in ("OMICRON", "FINAL"):
            name = words[3].replace("LAMDA", "LAMBDA").lower()
            names[chr(code)] = "\\" + (name.capitalize() if words[1] == "CAPITAL" else name)
    for capital in "ΑΒΕΖΗΙΚΜΝΟΡΤΧ":  # LaTeX has no commands for those that look Latin
        names[capital] = unicodedata.normalize("NFKD", capital)
    return names


_SYMBOLS = {**_greek(), **_SYMBOLS}


def to_latex(element: etree._Element) -> str:
    """The LaTeX of a `<math>` element."""
    return " ".join(_children(element, 0).split())


def _name(element: etree._Element) -> str:
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag.rpartition("}")[2].rpartition(":")[2].lower()


def _parts(element: etree._Element) -> list[etree._Element]:
    return [child for child in element if _name(child) not in _INVISIBLE]


def _children(element: etree._Element, depth: int) -> str:
    parts = [_convert(child, depth) for child in _parts(element)]
    if not parts and element.text:
        return _symbols(element.text)
    return _join(parts)


def _join(parts: list[str]) -> str:
    text = ""
    for part in parts:
        if not part:
            continue
        # a command must not run into a letter after it
        if text and part[0].isalpha() and _ends_in_command(text):
            text += " "
        text += part
    return text


def _ends_in_command(text: str) -> bool:
    stripped = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return stripped.endswith("\\") and len(stripped) < len(text)


def _symbols(text: str) -> str:
    return _join([_SYMBOLS.get(character, character) for character in text.strip()])


def _group(element: etree._Element, depth: int) -> str:
    text = _convert(element, depth)
    return text[1:-1] if text.startswith("{") and text.endswith("}") and _balanced(text) else text


def _balanced(text: str) -> bool:
    level = 0
    for i, character in enumerate(text):
        if character == "{":
            level += 1
        elif character == "}":
            level -= 1
            if not level and i + 1 < len(text):
                return False
    return not level


def _base(element: etree._Element, depth: int) -> str:
    text = _convert(element, depth)
    simple = len(text) <= 1 or (text.startswith("\\") and text[1:].isalpha())
    return text if simple or (text.startswith("{") and _balanced(text)) else f"{{{text}}}"


def _convert(element: etree._Element, depth: int) -> str:
    if depth > DEEPEST:
        return _symbols("".join(element.itertext()))
    name, depth = _name(element), depth + 1
    if name in ("mi", "mn", "mo", "mtext", "ms", "mspace"):
        return _token(element, name)
    parts = _parts(element)
    if name == "mfrac" and len(parts) == 2:
        top, bottom = (_group(part, depth) for part in parts)
        if element.get("linethickness") in ("0", "0px", "0pt"):
            return rf"\binom{{{top}}}{{{bottom}}}"
        return rf"\frac{{{top}}}{{{bottom}}}"
    if name == "msqrt":
        return rf"\sqrt{{{_children(element, depth)}}}"
    if name == "mroot" and len(parts) == 2:
        return rf"\sqrt[{_group(parts[1], depth)}]{{{_group(parts[0], depth)}}}"
    if name in ("msub", "msup", "munder", "mover") and len(parts) == 2:
        return _script(name, parts, element, depth)
    if name in ("msubsup", "munderover") and len(parts) == 3:
        base = _base(parts[0], depth)
        return f"{base}_{{{_group(parts[1], depth)}}}^{{{_group(parts[2], depth)}}}"
    if name == "mtable":
        return _table(parts, depth)
    if name == "mfenced":
        inner = [_convert(part, depth) for part in parts]
        separator = (element.get("separators") or ",").strip()[:1]
        opening, closing = element.get("open", "("), element.get("close", ")")
        return (
            rf"\left{_SYMBOLS.get(opening, opening) or '.'}{separator.join(inner)}"
            rf"\right{_SYMBOLS.get(closing, closing) or '.'}"
        )
    if name == "mmultiscripts" and parts:
        return _base(parts[0], depth) + _multiscripts(parts[1:], depth)
    if name == "semantics":
        return _convert(parts[0], depth) if parts else ""
    if name in _INVISIBLE:
        return ""
    return _children(element, depth)


def _token(element: etree._Element, name: str) -> str:
    text = "".join(element.itertext()).strip()
    if name == "mspace":
        return r"\quad " if (element.get("width") or "").startswith(("1em", "2em")) else " "
    if name in ("mtext", "ms"):
        return rf"\text{{{text}}}" if text else " "
    latex = _symbols(text)
    if name == "mi":
        if text in _FUNCTIONS:
            return "\\" + text
        alphabet = _ALPHABETS.get(element.get("mathvariant") or "")
        if alphabet and text:
            return f"{alphabet}{{{latex}}}"
        return (
            rf"\mathrm{{{text}}}" if len(text) > 1 and text.isalpha() and text.isascii() else latex
        )
    if name == "mo":
        if text in _FUNCTIONS:
            return "\\" + text
        if text in _FENCES and element.get("fence") == "true" and element.get("stretchy") == "true":
            if element.get("form") == "prefix":
                return rf"\left{latex}"
            if element.get("form") == "postfix":
                return rf"\right{latex}"
    return latex


def _script(name: str, parts: list[etree._Element], element: etree._Element, depth: int) -> str:
    mark = "".join(parts[1].itertext()).strip()
    if name == "mover" and mark in _ACCENTS:
        return f"{_ACCENTS[mark]}{{{_group(parts[0], depth)}}}"
    if name == "munder" and mark in _UNDER:
        return f"{_UNDER[mark]}{{{_group(parts[0], depth)}}}"
    base = _base(parts[0], depth)
    if name == "msup" and mark and set(mark) <= set("′″‴'"):
        return base + _symbols(mark)
    sign = "_" if name in ("msub", "munder") else "^"
    return f"{base}{sign}{{{_group(parts[1], depth)}}}"


def _multiscripts(parts: list[etree._Element], depth: int) -> str:
    text = ""
    for sign, part in zip("_^" * len(parts), parts, strict=False):
        if (inner := _group(part, depth)) and _name(part) != "mprescripts":
            text += f"{sign}{{{inner}}}"
    return text


def _table(rows: list[etree._Element], depth: int) -> str:
    lines = []
    for row in rows:
        cells = [_children(cell, depth) for cell in _parts(row) if _name(cell) == "mtd"]
        lines.append(" & ".join(cells))
    return r"\begin{matrix}" + r" \\ ".join(lines) + r"\end{matrix}"
