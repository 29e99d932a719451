"""From a sweep's directory to an answer with error bars.

    sweep.json + run directories ──results──> one tidy table ──statistics──> verdicts
                                                    │            (intervals)   │
                                                    └──plots, decisions──> report.html
                                                       scaling, documents: the notebooks

The ideas:

* A sweep is described by its `sweep.json` (`sweep_record`): arms, seeds, sizes, and the directory
  of every cell.  Nothing is read out of a directory's name.
* The unit of evidence is the paired difference: two arms, the same seed, the same documents.
* A verdict is better, worse or cannot tell, beside the smallest difference that could have been
  seen.
"""
