"""The inside of the sandbox: a supervisor, a trusted tester for each task, and an untrusted process for each program.

    fork_server    the parent of all other processes, small and ignorant
    forks          the supervisor's end of a fork server
    supervisor     the job loop: has processes forked, decides the verdict, cleans up
    watch          waits for the end of one job, or for a limit
    interpreter    what every program finds imported
    rehearsal      what every program's process would do first, done once
    tester         the trusted process: holds the tests of one suite, judges one program after another
    check_tests    tests as code: the entry point is a stub that calls the program in its own process
    input_output   tests as inputs and expected outputs
    oracle         when an output counts as the expected one
    digest         a hash in the place of an output that is too large to be sent
    testers        the supervisor's end of the testers
    remote         the program as the trusted side sees it
    program        the untrusted process: runs the source and answers calls
    output         the tail of what a program prints
    wire           plain data as JSON: all that comes back from a program
    frames         length-prefixed messages on a file descriptor
    limits         what Linux enforces: user ids, rlimits, CPU clocks, the cgroup's counters
    cleanup        nothing of a program survives it: processes, files

Standard library only (numpy if it is there), Linux, Python 3.11 or later. Nothing here imports `coda_eval`.
"""
