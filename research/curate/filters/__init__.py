"""The steps that judge one document at a time, each beside the paper it comes from.

- gopher.py: repetition and quality (Gopher); web_rules.py: C4 and FineWeb
- language.py, urls.py, lines.py: language, addresses and listed words, length and boilerplate
- personal_data.py: e-mail, IP addresses, telephone numbers, keys
- toxicity.py, joblib_tables.py: toxicity; tags.py: year, kind of place; scores.py: others' scores
- words.py, word_rules.py: the words and sentences they count
- languages.py: what differs by language
"""
