#!/bin/sh
# Validates the OpenAPI document of a host, and asks everything that it describes, right and wrong, with schemathesis
# (both from PyPI, into target/openapi). Fails at any answer of 500 and above, and at any that is not described.
# Usage: tests/openapi/check.sh [WASM_HOST], from the top of the checkout; the binary is target/debug/wasm-host else.
set -eu
host=$(realpath "${1:-target/debug/wasm-host}")
work=target/openapi
mkdir -p "$work"
if [ ! -x "$work/venv/bin/openapi-spec-validator" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    openapi-spec-validator==0.9.0 schemathesis==4.32.5
fi
state=$(mktemp -d "$(realpath "$work")/state.XXXXXX")
log="$state/log"
WASM_HOST_STATE="$state/store" "$host" --listen 127.0.0.1:0 --admin 127.0.0.1:0 --queue-timeout 5s 2> "$log" &
pid=$!
trap 'kill "$pid" 2> /dev/null || true; wait "$pid" 2> /dev/null || true; rm -rf "$state"' EXIT
tries=0
until grep -q '^Admin on' "$log"; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || { cat "$log"; exit 1; }
  sleep 0.1
done
admin=$(sed -n 's|^Admin on \(http://[^/]*\)/.*|\1|p' "$log")
"$host" deploy hello target/guests/hello.wasm --admin "${admin#http://}"
venv=$(realpath "$work/venv/bin")
fetch() {
  "$venv/python" -c 'import sys, urllib.request as web; sys.stdout.write(web.urlopen(sys.argv[1]).read().decode())' "$1"
}
# Whatever is written beside the report goes with the state.
cd "$state"
fetch "$admin/openapi.json" > openapi.json
"$venv/openapi-spec-validator" openapi.json
# Not asked: the drain would end the host, and following a log never ends.
"$venv/schemathesis" run "$admin/openapi.json" \
  --exclude-path /admin/drain --exclude-operation-id Logs \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,unsupported_method \
  --max-examples "${EXAMPLES:-50}" --seed "${SEED:-1}" --request-timeout 60 --no-color
fetch "$admin/health" > /dev/null
