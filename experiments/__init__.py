"""Ablations: what differs is declared, run everywhere, and answered with error bars.

    module + Gin files ──declare──> cells ──dispatch──> runners ──worker──> run directories
       (arms)                     sweep.json        local, ray                    │
                                                              research.analyse <──┘

The ideas:

* An experiment is a module with a function from settings to arms; an arm is a name and what it
  changes in a RunSpec (`arms`).  Seeds couple arms: equal initial parameters, equal data order.
* A cell is a run in a directory of its own, and all that is known of it stands there: whoever
  comes next, after whatever happened, does exactly what is missing.
* A runner knows where attempts run and nothing of what they are for.

    $ gristmill sweep experiments.domain_mixture --gin_file gin_configs/sweeps/demo.gin --dry_run
"""
