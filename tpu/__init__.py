"""Training on Cloud TPU pods: `launch.py` makes, prepares, starts, watches and deletes them.

    launch.py ──> pod.py ──────> gcloud.py ──> gcloud compute tpus …
       │            └─ remote.py   what runs on every worker
       ├─> source.py               the commit that is copied to the workers
       ├─> watch.py                keeps a run alive across preemptions
       └─> topologies.py           what accelerator types there are

It needs Python 3.9 and the Google Cloud CLI, nothing else.  There is no state on this machine:
whatever a command wants to know it asks the cloud, so any machine can go on where another stopped.
"""
