#!/bin/sh
# Makes a certificate chain of a foreign CA, for tests and for trying things out: root, issuing CA, one device.
# Usage: sh certs/recipes/test-chain.sh DIRECTORY [DEVICE] [DAYS]
# Everything is written to DIRECTORY, which must not exist yet; the keys are throw-away and are never committed.
set -eu
directory=${1:?usage: test-chain.sh DIRECTORY [DEVICE] [DAYS]}
device=${2:-t1}
days=${3:-1}

umask 077
mkdir "$directory"
cd "$directory"

# The same profiles as ../root.yaml, ../issuing.yaml and ../device.yaml, in the language of openssl
cat > extensions.cnf <<END
[root]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[device]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = URI:urn:latchkey:device:$device
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END

key_and_request() { # NAME SUBJECT
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
}
sign() { # NAME ISSUER
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$days" \
    -extfile extensions.cnf -extensions "$1" -out "$1.pem" 2> /dev/null
}

key_and_request root '/O=Foreign/CN=Foreign Root CA'
openssl x509 -req -in root.csr -signkey root.key -days "$days" \
  -extfile extensions.cnf -extensions root -out root.pem 2> /dev/null
key_and_request issuing '/O=Foreign/CN=Foreign Issuing CA'
sign issuing root
key_and_request device "/CN=$device"
sign device issuing
cat issuing.pem root.pem > chain.pem
rm -f -- *.csr *.srl extensions.cnf
echo "$directory: device.pem and device.key of $device, chain.pem, root.pem"
