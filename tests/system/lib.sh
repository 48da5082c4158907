# What the cases of the system test share: words about steps, waits for events, and a configured
# service of one of two kinds. A case is sourced as
#
#   # Kinds: service lockdown
#   . "$(dirname "$0")/../lib.sh"
#
# and run once a kind, inside a booted systemd, with the kind as its argument: "service" is
# latchd.service that binds its ports itself, "lockdown" is latchd.socket with lockdown.conf.
set -eEuo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case=$(basename "$0")
kind=${1-}
step=0
trap 'echo "$case $kind $step: FAILED at line $LINENO of ${BASH_SOURCE[0]}" >&2' ERR

say() {
	step=$((step + 1))
	echo "$case $kind $step: $*"
}
fail() {
	echo "$case $kind $step: FAILED: $*" >&2
	systemctl status --no-pager latchd >&2 || true
	exit 1
}

# ---- waits and expectations ---------------------------------------------------------------------

# Until COMMAND succeeds; the seconds are an end, not a wait.
until_true() { until_true_within 20 "$@"; }
until_true_within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || fail "did not come true: $*"
		sleep 0.02
	done
}
expect() { # WANTED COMMAND...
	local wanted=$1 got
	shift
	got=$("$@") || fail "$* failed"
	[ "$got" = "$wanted" ] || fail "$*: got \"$got\", wanted \"$wanted\""
}
expect_code() { # CODE COMMAND...; what it says is in $said
	local wanted=$1 code=0
	shift
	said=$("$@" 2>&1) || code=$?
	[ "$code" = "$wanted" ] || fail "$*: exit status $code, wanted $wanted: $said"
}

# ---- looking at the service ---------------------------------------------------------------------

journal_has() { journalctl -q --no-pager -u latchd -o cat | grep -qF -- "$1"; }
property() { systemctl show -P "$1" latchd; }
status_is() { [ "$(property StatusText | cut -d';' -f1)" = "$1" ]; }
is_active() { [ "$(property ActiveState)" = active ]; }
workers() { pgrep -P "$(property MainPID)"; }
fields_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
fetch() { # NAME PATH
	curl -sS --fail --max-time 20 --cacert /etc/latchd/ca.pem \
		--resolve "$1:443:127.0.0.1" "https://$1$2"
}
# One request by openssl(1); what it says, "Reused" among it.
talk() { # OPTION...
	printf 'GET / HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n' |
		openssl s_client -connect 127.0.0.1:443 -servername two.test -ign_eof \
			-CAfile /etc/latchd/ca.pem "$@" 2>&1
}
has_two_others() { # PID
	[ "$(workers | grep -cvx "$1")" = 2 ]
}

unit_is_clean() { # UNIT
	local verdict
	verdict=$(systemd-analyze verify "$1" 2>&1 | grep -v '^Failed to open connection' || true)
	[ -z "$verdict" ] || fail "systemd-analyze verify: $verdict"
}
exposure_is_at_most() { # SCORE
	local score
	score=$(systemd-analyze security --no-pager latchd.service |
		sed -n 's/.*level for .*: \([0-9.]*\) .*/\1/p')
	awk -v s="$score" -v most="$1" 'BEGIN { exit !(s != "" && s <= most) }' ||
		fail "exposure $score, at most $1"
	echo "  exposure $score, at most $1"
}

# ---- a configured service -----------------------------------------------------------------------

certificate_authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=test-ca -keyout /tmp/ca.key -out /etc/latchd/ca.pem 2>/dev/null
}
certificate() { # NAME
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "/etc/latchd/$1.key" -out /tmp/request.pem 2>/dev/null
	openssl x509 -req -in /tmp/request.pem -CA /etc/latchd/ca.pem -CAkey /tmp/ca.key \
		-CAcreateserial -days 90 -extfile <(echo "subjectAltName=DNS:$1") \
		-out "/etc/latchd/$1.pem" 2>/dev/null
	chgrp latchd "/etc/latchd/$1.key"
	chmod 640 "/etc/latchd/$1.key"
}
site() { # NAME ROOT [MORE]
	printf '{ names = [ "%s" ]; certificate = "%s.pem"; private_key = "%s.key"; %s' \
		"$1" "$1" "$1" "${3-}"
	printf ' routes = ( { path = "/"; files = { root = "%s"; }; } ); }' "$2"
}
configure() { # SITES [MORE]
	cat >/etc/latchd/latchd.conf <<-END
	workers = 2;
	listeners = ( { name = "https"; address = "*:443"; } );
	log = { access = { target = "/var/log/latchd/access.log"; }; };
	sites = ( $1 );
	${2-}
	END
}
configure_two() { configure "$(site one.test /srv/one), $(site two.test /srv/two)"; }

# The user, two sites that say "one" and "two" with certificates of /etc/latchd/ca.pem, and the units
# of this kind; nothing is started.
prepare() {
	systemd-sysusers latchd.conf
	systemd-tmpfiles --create latchd.conf
	mkdir -p /srv/one /srv/two /etc/latchd
	echo one >/srv/one/index.html
	echo two >/srv/two/index.html
	certificate_authority
	certificate one.test
	certificate two.test
	configure_two
	journalctl --update-catalog
	if [ "$kind" = lockdown ]; then
		# latchd.conf has no listener for port 80.
		mkdir -p /etc/systemd/system/latchd.socket.d
		printf '[Socket]\nListenStream=\nListenStream=443\n' \
			>/etc/systemd/system/latchd.socket.d/port.conf
		install -D -m 644 "$(find /usr -path '*/doc/latchd/lockdown.conf')" \
			/etc/systemd/system/latchd.service.d/lockdown.conf
	fi
	systemctl daemon-reload
}
start() {
	[ "$kind" != lockdown ] || systemctl enable -q --now latchd.socket || fail "latchd.socket"
	systemctl start latchd || fail "systemctl start"
}
# Its start limit is not what is tested.
restart() {
	systemctl reset-failed latchd
	systemctl restart latchd
}
