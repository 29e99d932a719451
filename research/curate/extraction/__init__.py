"""HTML to text: what of a page is content, and how it reads.

    page ──> flat lists of elements and text pieces ──> the pieces that are content ──> text
             page.py; formulas: mathematics.py,         names.py, main_content.py,      render.py
             mathml.py                                  rescue.py, cascade.py

The rules for content are trafilatura's (Barbaresi 2021), with readability and jusText where they
find little, written anew on flat lists so that they cost a quarter of the time.  Code blocks and
formulas are kept wherever they stand.  `step.py` is the step `extract`; `kinds.py` tells RedStone's
four kinds of pages apart.

    $ gristmill curate web_pages --recipe redstone --out rs
    …
    rs@1 by kind: rs_general@1 155, rs_code@1 1, rs_math@1 11, rs_qa@1 4 documents
"""
