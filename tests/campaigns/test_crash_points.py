"""Processes die at named places: nothing depends on how fast the machine is, so others may work."""

from django.db import connection

from tests.campaigns.test_campaign import begin


def test_wherever_a_process_dies_the_change_ends_as_it_should():
    """One half of the cases on each database; `make faults` has all of them on both."""
    turn = int(connection.vendor == "postgresql")
    with begin(f"--part crashes --of 2 --turn {turn}") as part:
        output, _ = part.communicate()
    assert part.returncode == 0, output
