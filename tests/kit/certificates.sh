# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Certificates for servers of the tests: a CA that signed a server's and a client's, and a CA that
# signed nothing. For 127.0.0.1 and localhost, good for two days.

make_ca() { # DIR NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -keyout "$1/$2.key" -out "$1/$2.crt" -subj "/CN=rocky test $2" \
        -addext 'basicConstraints=critical,CA:TRUE'
}

make_certificate() { # DIR NAME EXTENSION
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1/$2.key" \
        -out "$1/$2.csr" -subj "/CN=$2"
    openssl x509 -req -in "$1/$2.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial -days 2 \
        -out "$1/$2.crt" -extfile <(echo "$3")
}

# ca, other-ca, server and client, each .crt and .key, in DIR; openssl's words in DIR/openssl.log.
make_certificates() { # DIR
    {
        make_ca "$1" ca &&
            make_ca "$1" other-ca &&
            make_certificate "$1" server 'subjectAltName=DNS:localhost,IP:127.0.0.1' &&
            make_certificate "$1" client 'extendedKeyUsage=clientAuth'
    } >"$1/openssl.log" 2>&1
}
