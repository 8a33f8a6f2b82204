"""The command line, the wiring, the processes, and the pipeline from call to report on one page."""
