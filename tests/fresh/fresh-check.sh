#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves the README's two commands in a clean room: a minimal Debian 12 made by debootstrap, in which
# nothing is installed, and a clone of HEAD. Only the host's apt configuration and its locally
# installed CA certificates are handed in. Needs root, debootstrap and git.
#
# usage: fresh-check.sh [--demo | --check]     both without an option
# ROCKY_FRESH_DIR (default /var/tmp/rocky-fresh.XXXXXX) is the room; it is removed afterwards.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
commands=(--demo --check)
case ${1-} in
'') ;;
--demo | --check) commands=("$1") ;;
*)
    echo "usage: fresh-check.sh [--demo | --check]" >&2
    exit 64
    ;;
esac
if [ "$(id -u)" -ne 0 ]; then
    echo 'fresh-check: needs root: a clean room is made with debootstrap and chroot' >&2
    exit 77
fi
for tool in debootstrap git; do
    command -v "$tool" >/dev/null || {
        echo "fresh-check: $tool is missing (./bootstrap --ci-deps)" >&2
        exit 77
    }
done

room=${ROCKY_FRESH_DIR:-$(mktemp -d /var/tmp/rocky-fresh.XXXXXX)}
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE 's/^URIs: *(\S+).*/\1/p; s/^deb +(\[[^]]*\] +)?(\S+) .*/\2/p' | head -n 1) || true
mirror=${mirror:-http://deb.debian.org/debian}

leave() {
    local mounted
    for mounted in proc dev/pts dev/shm dev sys; do
        umount -l "$room/$mounted" 2>/dev/null || true
    done
    rm -rf --one-file-system "$room"
}
trap leave EXIT
trap 'exit 130' INT TERM

echo "==> making a minimal Debian 12 in $room"
debootstrap --variant=minbase bookworm "$room" "$mirror" >"$room.log" 2>&1 || {
    tail -n 20 "$room.log" >&2
    exit 1
}
rm -f "$room.log"

echo '==> handing in apt configuration and local CA certificates'
cp -a /etc/apt/apt.conf.d/. "$room/etc/apt/apt.conf.d/"
rm -f "$room"/etc/apt/apt.conf.d/docker-* "$room/etc/apt/sources.list"
cp -a /etc/apt/sources.list.d/*.sources "$room/etc/apt/sources.list.d/" 2>/dev/null ||
    cp -a /etc/apt/sources.list "$room/etc/apt/"
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    mkdir -p "$room/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$room/usr/local/share/ca-certificates/"
fi
cp -L /etc/resolv.conf "$room/etc/resolv.conf"
grep -q localhost "$room/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost' >>"$room/etc/hosts"
mount -t proc proc "$room/proc"
mount --bind /dev "$room/dev"
mount --bind /dev/pts "$room/dev/pts" # every Debian has terminals; the tests open one
mount -t tmpfs tmpfs "$room/dev/shm" 2>/dev/null || true

git clone -q --no-hardlinks "$top" "$room/root/rocky"
echo "==> clone of $(git -C "$room/root/rocky" log -1 --format='%h %s')"

for command in "${commands[@]}"; do
    echo "==> ./bootstrap $command"
    chroot "$room" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        sh -c "cd /root/rocky && ./bootstrap $command"
done
echo '==> the clean room is content'
