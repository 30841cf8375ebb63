"""``python -m benchmarks.small_tasks``: the command line of dnmf, with plans that cut small data as large data is cut.

So a pass over a few megabytes has the tasks of one over gigabytes, and can be disturbed in its middle within a second.
A plan is made here and travels: workers need none of this.
"""

import dnmf.plan

GROUP_BYTES, PANEL_BYTES = 2**19, 2**17


def main() -> None:
    """Run a command of dnmf."""
    from dnmf.cli import main as run

    dnmf.plan.LEAST_GROUP_BYTES, dnmf.plan.MOST_PANEL_BYTES = GROUP_BYTES, PANEL_BYTES
    run()


if __name__ == "__main__":
    main()
