#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2119,SC2154 # lib.sh sets status, stdout, stderr and the programs
# Completions: made from the tables for three programs and three shells, and they complete.
. "${top_srcdir:-.}/tests/cli/lib.sh"

for program in rocky rocky-worker rocky-producer; do
    for shell in bash zsh fish; do
        run_rocky dev completion "$shell" "$program"
        is "$status" 0 "$program has a completion for $shell"
        printf '%s\n' "$stdout" >"$program.$shell"
        if command -v "$shell" >/dev/null; then
            run_program "$shell" -n "$program.$shell"
            is "$status" 0 "$shell accepts it"
        else
            ok 0 "$shell accepts it # SKIP $shell is not installed (apt install $shell)"
        fi
    done
done
run_rocky dev completion tcsh rocky
is "$status" 64 "a shell that nobody asked for is a usage error"
run_rocky dev completion bash rocky-master
is "$status" 64 "a program that does not exist is a usage error"

# complete_bash WORD...: what bash offers for the last word.
complete_bash() {
    bash -c '
        . ./rocky.bash
        COMP_WORDS=(rocky "$@")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMP_LINE="${COMP_WORDS[*]}"
        COMP_POINT=${#COMP_LINE}
        spec=$(complete -p rocky)
        function=${spec#*-F }
        "${function%% *}" rocky "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"
    ' bash "$@" 2>&1
}
like "$(complete_bash va)" "validate" "bash completes a command"
unlike "$(complete_bash '')" "faults" "but not the hidden ones"
like "$(complete_bash state '')" "delete" "it completes the second word"
like "$(complete_bash run --f)" "--filter" "it completes an option of the command"
like "$(complete_bash run --ou)" "--output" "it completes a global option"
like "$(complete_bash run --output '')" "json" "it completes the choices of an option"

if command -v fish >/dev/null; then
    export HOME=$work
    like "$(fish -c 'source rocky.fish; complete -C "rocky state "')" $'(^|\n)delete' "fish completes it too"
else
    ok 0 "fish completes it too # SKIP fish is not installed (apt install fish)"
fi

done_testing
