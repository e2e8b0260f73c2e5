"""How planned stages get run; the run store is the truth, so any executor can finish what another began."""

from augdistill.executors import local

EXECUTORS = {"local": local.run}
