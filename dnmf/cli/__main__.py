"""``python -m dnmf.cli``."""

from dnmf.cli import main

if __name__ == "__main__":
    main()
