"""What things cost, as ratios measured in one run: `python -m bench --help`.

A figure in milliseconds is true of one machine on one day. So every figure here is divided by one
of something bare that ran at the same time, on the same machine, turn by turn.
"""
