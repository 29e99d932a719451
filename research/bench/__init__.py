"""Speed and memory, measured against named anchors: `gristmill bench NAME`.

Contenders run in processes of their own and take turns, so that a drift of the machine's speed
meets them all; throughput is per CPU-second of the process, all its threads included.
"""
