"""The exceptions of English word splitting, as spaCy's English tokenizer has them.

The facts are those of spaCy (https://github.com/explosion/spaCy, MIT licence, `spacy.lang.en`):
which contractions come apart and where, which abbreviations keep their full stop, which emoticons
stay whole.  A rule is kept in the form (whole, pieces) with `"".join(pieces) == whole`.
"""

from __future__ import annotations

from collections.abc import Iterator

ABBREVIATIONS = """
Adm. Ak. Ala. Apr. Ariz. Ark. Aug. Bros. Calif. Co. Colo. Conn. Corp. D.C. Dec. Del. Dr. E.G. E.g.
Feb. Fla. Ga. Gen. Gov. I.E. I.e. Ia. Id. Ill. Inc. Ind. Jan. Jr. Jul. Jun. Kan. Kans. Ky. La. Ltd.
Mar. Mass. Md. Messrs. Mich. Minn. Miss. Mo. Mont. Mr. Mrs. Ms. Mt. N.C. N.D. N.H. N.J. N.M. N.Y.
Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. Ph.D. Prof. Rep. Rev. S.C. Sen. Sep. Sept. St. Tenn. Va.
Wash. Wis. a.m. co. e.g. i.e. p.m. v.s. vs. ä. ö. ü.
"""
WHOLE = """
' '' 'Cause 'Cos 'Coz 'Cuz 'S 's ‘S ‘s 'bout 'cause 'cos 'coz 'cuz 'd 'em 'll 'nuff 're and/or w/o
C++ Ma'am ma'am O'clock o'clock <space> \\n \\t \\") —
"""
EMOTICONS = r"""
(*_*) (-8 (-: (-; (-_-) (._.) (: (; (= (>_<) (^_^) (o: (¬_¬) (ಠ_ಠ) (╯°□°）╯︵┻━┻ )-: ): -_- -__- ._.
0.0 0.o 0_0 0_o 8) 8-) 8-D 8D :'( :') :'-( :'-) :( :(( :((( :() :) :)) :))) :* :-( :-(( :-((( :-)
:-)) :-))) :-* :-/ :-0 :-3 :-> :-D :-O :-P :-X :-] :-o :-p :-x :-| :-} :/ :0 :1 :3 :> :D :O :P :X
:] :o :o) :p :x :| :} ;) ;-) ;-D ;D ;_; <.< </3 <3 <33 <333 =( =) =/ =3 =D =[ =] =| >.< >.> >:( >:o
><(((*> @_@ O.O O.o O_O O_o V.V V_V XD XDD [-: [: [= ]= ^_^ ^__^ ^___^ o.0 o.O o.o o_0 o_O o_o v.v
v_v xD xDD ¯\(ツ)/¯ ಠ_ಠ ಠ︵ಠ
"""
# words that look like a contraction without its apostrophe, and are none
ORDINARY = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well whore Whore"


def exceptions() -> dict[str, tuple[str, ...]]:
    """All rules: the whole and its pieces (one piece: it stays whole)."""
    rules = {"".join(pieces): pieces for pieces in _contractions()}
    rules = {whole: pieces for whole, pieces in rules.items() if whole not in ORDINARY.split()}
    rules |= {whole: (whole,) for whole in f"{ABBREVIATIONS} {WHOLE} {EMOTICONS}".split()}
    rules |= {f"{letter}.": (f"{letter}.",) for letter in "abcdefghijklmnopqrstuvwxyz"}
    rules |= {f"°{unit}.": ("°", unit, ".") for unit in "cfkCFK"}
    for whole, pieces in list(rules.items()):
        if "'" in whole:
            rules[whole.replace("'", "’")] = tuple(piece.replace("'", "’") for piece in pieces)
    return rules


def _both(words: str) -> list[str]:
    return [form for word in words.split() for form in (word, word.title())]


def _endings(words: str, *endings: str) -> Iterator[tuple[str, ...]]:
    """Each word, small and capitalised, with each ending, with and without its apostrophes."""
    for word in _both(words):
        for ending in endings:
            pieces = tuple(ending.split())
            yield (word, *pieces)
            yield (word, *(piece.replace("'", "") for piece in pieces))


def _contractions() -> Iterator[tuple[str, ...]]:
    yield from _endings("i", "'m", "'m a")
    yield from _endings("i you he she it we they", "'ll", "'ll 've", "'d", "'d 've")
    yield from _endings("i you we they", "'ve")
    yield from _endings("you we they", "'re")
    yield from _endings("he she it", "'s")
    asking = "who what when where why how there"
    yield from _endings(f"{asking} that this", "'s")
    yield from _endings(f"{asking} that this these those", "'ll", "'ll 've", "'d", "'d 've")
    yield from _endings(f"{asking} these those", "'re", "'ve")
    modal = "ca could do does did had may might must need ought sha should wo would"
    yield from _endings(modal, "n't", "n't 've")
    yield from _endings("could might must should would", "'ve")
    yield from _endings("ai are is was were have has dare", "n't")
    for word in _both("doin goin nothin nuthin ol somethin lovin havin"):
        yield (word,)
        yield (f"{word}'",)
    yield from (("em",), ("ll",), ("nuff",))
    for hour in range(1, 13):
        yield from ((str(hour), half) for half in ("a.m.", "am", "p.m.", "pm"))
    yield from (("y'", "all"), ("y", "all"), ("c'm", "on"), ("C'm", "on"))
    yield from (("how", "'d", "'y"), ("How", "'d", "'y"))
    yield from _endings("not", "'ve")
    for first, second in (("can", "not"), ("gon", "na"), ("got", "ta"), ("let", "'s")):
        yield from ((first, second), (first.title(), second))
