"""The inside of the sandbox: a supervisor, and for each program a trusted tester and an untrusted process.

    supervisor   the job loop: forks both, watches limits, decides the verdict, cleans up
    tester       runs the tests; the entry point is a stub that calls the program in its own process
    program      runs the untrusted source and answers the stub's calls
    wire         plain data as JSON: all that passes between the two
    frames       length-prefixed messages on a file descriptor
    limits       what Linux enforces: user ids, rlimits, CPU clocks, the cgroup's counters
    cleanup      nothing of a program survives it: processes, files

Standard library only (numpy if it is there), Linux, Python 3.11 or later. Nothing here imports `coda_eval`.
"""
