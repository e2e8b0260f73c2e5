"""How a run ended, in the words of its manifest and of tables."""

COLLAPSED, DEAD = "collapsed", "dead units"
KEPT = ("finished", DEAD)  # whose values count
