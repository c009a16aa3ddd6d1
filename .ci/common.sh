# What .ci/run and .ci/windows share; sourced by both.

export DEBIAN_FRONTEND=noninteractive
# mkfs, mount's helpers and logrotate stand there, and not every login has it.
PATH=$PATH:/usr/sbin:/sbin

# retry COMMAND…: three times at most, for what comes over a network.
retry() {
    local try
    for try in 1 2; do
        "$@" && return
        echo "once more in ${try}0 s: $*"
        sleep "${try}0"
    done
    "$@"
}

# need THING PACKAGE: installs Debian's package unless the command or file is there.
apt_updated=
need() {
    command -v "$1" >/dev/null || [ -e "$1" ] && return
    # An image's own package lists are as old as the image, and name files that are gone.
    [ -n "$apt_updated" ] || { retry apt-get -qq update && apt_updated=yes; } || return
    echo "installing $2"
    # dpkg's chatter is of use only where it fails.
    retry apt-get -qq install -y --no-install-recommends "$2" >/tmp/apt.$$ 2>&1 || { cat /tmp/apt.$$; return 1; }
    rm -f /tmp/apt.$$
}

# count_tests: "N passed, N failed" over every "test result:" line of standard input.
count_tests() {
    awk '/^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) passed += $(i-1); if ($i ~ /^failed/) failed += $(i-1) } }
         END { printf "%d passed, %d failed\n", passed, failed }'
}
