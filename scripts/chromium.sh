#!/usr/bin/env bash
# Installs Chromium, which the tests of the web page drive, where that needs no question: as root, or on a CI
# machine with sudo, from the packages of Debian or Ubuntu. Elsewhere those tests are skipped. Never fails.
set -uo pipefail

for name in chromium chromium-browser google-chrome google-chrome-stable; do
	command -v "$name" >/dev/null && exit 0
done

skip() {
	echo "setup: no Chromium ($1): the tests of the web page are skipped"
	exit 0
}

command -v apt-get >/dev/null || skip "install it to run them"
as_root=()
if [[ $(id -u) != 0 ]]; then
	[[ -n ${CI:-} ]] && sudo -n true 2>/dev/null || skip "to run them: apt install chromium"
	as_root=(sudo -n)
fi

install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout 300 \
		apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends chromium fonts-dejavu-core </dev/null >/dev/null 2>&1
}

echo "setup: installing Chromium for the tests of the web page"
install || { "${as_root[@]}" timeout 120 apt-get -qq update </dev/null >/dev/null 2>&1 && install; } || skip "it could not be installed"
