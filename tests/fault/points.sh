# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The fault points, by what has to be there for a job to pass them. Source it after the helpers that
# say which program `rocky` is:
#
#     read_points || skip_all 'built without --enable-fault-injection'
#     for point in "${points[@]}"; do ...
#
# A point is in exactly one of the two lists, so that none is left out by accident: whoever adds one
# and does not name it below gets it tried without a remote, where it has to be reached.

# Passed only with a remote state backend.
# shellcheck disable=SC2034 # for the tests
remote_points=(download.before download.after upload.before_put upload.after_put upload.settle)

# read_points: sets $points, those that every job passes, and $dead_points, names above that no
# longer exist. Fails where the programs have no fault points.
read_points() {
    local point
    local -A left=()
    points=() dead_points=()
    for point in "${remote_points[@]}"; do
        left[$point]=1
    done
    while IFS= read -r point; do
        [ -n "${left[$point]:-}" ] || points+=("$point")
        unset "left[$point]"
    done < <("${rocky:?}" dev faults)
    # shellcheck disable=SC2034 # for the tests
    dead_points=("${!left[@]}")
    [ ${#points[@]} -gt 0 ]
}
