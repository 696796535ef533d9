#!/bin/sh
# Take out of an image what no program under test needs: package managers, compilers, network tools, setuid bits.
set -eu

for tool in apt apt-get apt-cache apt-key apt-config apt-mark dpkg dpkg-deb dpkg-query dpkg-split apk pip pip3 \
    gcc cc g++ c++ cpp ld as make perl curl wget ssh nc su sudo mount umount chroot nsenter unshare setpriv gdb strace; do
    path=$(command -v "$tool" 2>/dev/null || true)
    case "$path" in
    /*) rm -f "$path" ;;
    esac
done
rm -f /usr/bin/*-linux-gnu-gcc* /usr/bin/*-linux-gnu-g++* /usr/bin/perl* /usr/local/bin/pip*

rm -rf /var/lib/apt /var/lib/dpkg /var/cache /var/log /etc/apt /usr/lib/apt /usr/lib/dpkg /usr/lib/gcc \
    /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/perl* /usr/lib/*/perl* /root/.cache
for packages in $(python3 -c "import site; print(*site.getsitepackages())"); do
    rm -rf "$packages"/pip "$packages"/pip-* "$packages"/setuptools "$packages"/setuptools-*
done

# `find` with -exec needs nothing that was removed above.
find / -xdev -type f \( -perm -4000 -o -perm -2000 \) -exec chmod a-s {} +
mkdir -p /var/cache /var/log
