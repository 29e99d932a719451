"""Settings that differ by language: the stop words that running text always has.

English has Gopher's own eight.  The others are eight of the commonest function words of each
language, chosen in the same spirit: two different ones are in any paragraph of prose.
"""

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the be to of and that have with",
        "de": "der die das und ist nicht ein mit von zu in den",
        "fr": "le la les de des et est une que dans pour en",
        "es": "el la los de que y en un una es por con",
        "it": "il la di che e un una è per con del non",
        "pt": "o a os de que e em um uma não para com",
        "ru": "и в не на что с по это как к из он",
        "hi": "के का की में है और से को पर यह कि एक",
    }.items()
}
