"""Where text comes from: readers -> Documents -> corpora on disk.

    files, packages, crawls --readers--> Document | Quarantined --build_corpus--> Parquet + manifest

* `document`      the `Document`, the corpus on disk, how one is written and resumed.
* `readers`       JSONL, Parquet, WARC/WET, TFDS and file trees as streams of records
  (`addresses` finds and opens the files, `web_archives` reads WARC and WET).
* `records`       from a record to a document: fields, ids, parents and their roots.
* `installed`     real text found inside installed packages, for demos and tests.
* `catalog`       the known corpora: where each lies, its licence, size and fields.

A record that cannot be used is quarantined with its reason, never lost:

    >>> corpus = Corpus.open(data_root(), "wiki_sample")      # doctest: +SKIP
    >>> corpus.manifest["documents"], corpus.manifest["quarantined"]
    (106, {'redirect page': 100})
"""
