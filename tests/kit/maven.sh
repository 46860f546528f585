# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Jars by name from Maven, for servers of the tests that are Java programs. The script that sources
# this has `unavailable`.

# The jars that a pom names, in FOLDER/lib; nothing is left there when one is missing.
maven_download() { # POM FOLDER
    command -v mvn >/dev/null || unavailable "Maven is missing (Debian: apt-get install maven)"
    local work=$2.download.$$ log=$2.maven.log
    rm -rf "$work"
    mkdir -p "$work"
    cp "$1" "$work/pom.xml"
    if ! (cd "$work" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$work/lib") >"$log" 2>&1; then
        rm -rf "$work"
        unavailable "Maven could not download what $1 names: $(grep -m 1 ERROR "$log" || tail -n 1 "$log") (see $log)"
    fi
    rm -rf "${2:?}/lib"
    mkdir -p "$2"
    mv "$work/lib" "$2/lib"
    rm -rf "$work"
}
