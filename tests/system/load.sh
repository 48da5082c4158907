# What the cases under load share, on top of lib.sh: clients in the background (load.py), who of them may
# lose a connection, and the verdict. The configured service is started, with a big file on two.test.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
prepare
head -c 4194304 /dev/urandom >/srv/two/big
start

begin_load() {
	rm -f /tmp/load.done
	: >/tmp/load.forgiven
	session=/tmp/session.pem
	talk -sess_out $session | grep -q '^New, TLSv1.3' || fail "no session"
	"$here/load.py" --host two.test --ca /etc/latchd/ca.pem --root /srv/two --until /tmp/load.done \
		--forgiven /tmp/load.forgiven &
	generator=$!
	cursor=$(journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
	until_true has_downloads
}
# Some slow download is under way: a worker with a full send queue.
has_downloads() {
	ss -tnH state established '( sport = :443 )' | awk '$2 > 0 { found = 1 } END { exit !found }'
}
still_resumes() {
	talk -sess_in $session | grep -q '^Reused, TLSv1.3' || fail "$1: the session is dead"
}
# Connections of these processes will die with them.
forgive() { # PID...
	local pids=${*// /|}
	ss -tnpH '( sport = :443 )' | { grep -E "pid=(${pids// /|})," || true; } |
		sed -E 's/.* [^ ]*:([0-9]+) +users:.*/\1/' >>/tmp/load.forgiven
}
end_load() {
	touch /tmp/load.done
	wait $generator || fail "lost or refused"
	errors=$(journalctl -q --no-pager -u latchd -p err -o cat --after-cursor "$cursor")
	[ -z "$errors" ] || [ "${1-}" = errors ] || fail "errors are logged: $errors"
}
# At the cap of draining generations a reload by hand is refused: slow downloads take their time.
may_reload() {
	[ "$(latchd ctl status --json | python3 -c 'import json, sys
print(len(json.load(sys.stdin)["draining"]))')" -lt 4 ]
}
# Other bytes in the program, by rename, as package managers do.
replace_program() { # FILE BYTES
	cp -p "$1" "$1.new"
	printf '%s' "$2" >>"$1.new"
	mv "$1.new" "$1"
}
has_successor() { # of $main, which was killed
	[ "$(property MainPID)" != "$main" ] && [ "$(property MainPID)" != 0 ] && is_active
}
