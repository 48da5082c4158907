#!/bin/sh
# Makes the certificates of the tests: a CA, good leaves (RSA and ECDSA), and leaves with one thing
# wrong each. Needs the openssl command and nothing else; no key of it is ever committed.
#
#	mkcerts.sh [DIR]	default DIR: certs/test
#
# Every NAME.pem is a chain (leaf first), every NAME.key its private key:
#	ca.pem			the CA to trust
#	rsa, ecdsa		localhost, example.org, *.example.org, 127.0.0.1, ::1
#	localhost		the same as ecdsa
#	other			the same names with another key of its own (ECDSA)
#	expired			ended long ago
#	wrong			for other.example only
#	cn			localhost as common name, but no subject alternative name
#	selfsigned		localhost, signed by itself
#	inter			signed by an intermediate CA, which is in the chain
#	encrypted.key		rsa.key under the pass phrase in the file `passphrase`
#	wrong-passphrase	a file with another one
set -eu
umask 077

dir=${1:-$(dirname "$0")/test}
mkdir -p "$dir"
cd "$dir"

names='DNS:localhost,DNS:example.org,DNS:*.example.org,IP:127.0.0.1,IP:::1'
days=3650

new_key() { # NAME TYPE
	case $2 in
	rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" ;;
	ecdsa) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" ;;
	esac
}

write_extensions() { # FILE SAN
	{
		echo 'basicConstraints = critical, CA:FALSE'
		echo 'keyUsage = critical, digitalSignature'
		echo 'extendedKeyUsage = serverAuth'
		echo 'subjectKeyIdentifier = hash'
		[ -z "$2" ] || echo "subjectAltName = $2"
	} >"$1"
}

# Signed through `openssl ca`, for only that takes both dates (the expired one needs it).
sign() { # NAME CA START END EXTENSIONS
	openssl ca -batch -notext -config ca.cnf -cert "$2.pem" -keyfile "$2.key" \
		-in "$1.csr" -out "$1.pem" -startdate "$3" -enddate "$4" -extfile "$5" 2>ca.log ||
		{ cat ca.log >&2; exit 1; }
}

new_leaf() { # NAME TYPE SAN [CA [START END]]
	new_key "$1" "$2"
	write_extensions ext.cnf "$3"
	openssl req -new -key "$1.key" -subj "/O=latchd test/CN=localhost" -out "$1.csr"
	sign "$1" "${4:-ca}" "${5:-$start}" "${6:-$end}" ext.cnf
}

cat >ca.cnf <<'END'
[ca]
default_ca = test
[test]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
unique_subject = no
policy = any
copy_extensions = none
[any]
organizationName = optional
commonName = optional
END
: >index.txt

start=$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ 2>/dev/null || date -u +%Y%m%d000000Z)
end=20491231235959Z

new_key ca ecdsa
openssl req -x509 -new -key ca.key -subj '/O=latchd test/CN=latchd test CA' -days $days \
	-addext 'keyUsage=critical,keyCertSign,cRLSign' -out ca.pem

new_leaf rsa rsa "$names"
new_leaf ecdsa ecdsa "$names"
cp ecdsa.pem localhost.pem
cp ecdsa.key localhost.key
new_leaf other ecdsa "$names"
new_leaf expired ecdsa "$names" ca 20200101000000Z 20200201000000Z
new_leaf wrong ecdsa 'DNS:other.example'
new_leaf cn ecdsa ''

new_key selfsigned ecdsa
openssl req -x509 -new -key selfsigned.key -subj '/O=latchd test/CN=localhost' -days $days \
	-addext "subjectAltName=$names" -out selfsigned.pem

new_key intermediate ecdsa
openssl req -new -key intermediate.key -subj '/O=latchd test/CN=latchd test intermediate' \
	-out intermediate.csr
printf '%s\n' 'basicConstraints = critical, CA:TRUE, pathlen:0' \
	'keyUsage = critical, keyCertSign' 'subjectKeyIdentifier = hash' >ext.cnf
sign intermediate ca "$start" "$end" ext.cnf
new_leaf inter ecdsa "$names" intermediate
cat intermediate.pem >>inter.pem

printf 'open sesame\n' >passphrase
printf 'open barley\n' >wrong-passphrase
openssl pkey -in rsa.key -aes-256-cbc -passout file:passphrase -out encrypted.key

rm -f ./*.csr ./*.cnf index.txt* ca.log ./[0-9A-F]*[0-9A-F][0-9A-F][0-9A-F].pem
