"""Processes die at named places: nothing depends on how fast the machine is, so others may work."""

from tests.campaigns.test_campaign import begin


def test_wherever_a_process_dies_the_change_ends_as_it_should():
    with begin("--part crashes") as part:
        output, _ = part.communicate()
    assert part.returncode == 0, output
