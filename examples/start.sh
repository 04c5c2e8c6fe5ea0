# Read by the `start` of a shape, which has set `nodes` and `subscribers`.

find_program() {
    local built
    if [ -n "${RESTANTE:-}" ]; then echo "$RESTANTE"; return; fi
    for built in ../../target/release/restante ../../target/debug/restante; do
        if [ -x "$built" ]; then echo "$built"; return; fi
    done
    command -v restante || { echo "build it first: cargo build --release" >&2; return 1; }
}

# subscriber ADDRESS PASSWORD NODE…: at every server that serves his domain
subscriber() {
    local address=$1 password=$2 node
    shift 2
    for node in "$@"; do
        "$program" --config "$node.toml" subscriber show "$address" >/dev/null 2>&1 ||
            "$program" --config "$node.toml" subscriber add "$address" --password "$password" >/dev/null
    done
}

# the line that a server says when it serves requests
await_ready() {
    local node=$1 pid=$2
    until grep -q '^ready ' "data/$node/ready"; do
        kill -0 "$pid" 2>/dev/null || { cat "data/$node/log" >&2; return 1; }
        sleep 0.05
    done
    echo "$node: $(cat "data/$node/ready")"
}

program=$(find_program)
pids=()
finish() {
    trap - EXIT INT TERM
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
}
trap finish EXIT INT TERM

for node in "${nodes[@]}"; do
    mkdir -p "data/$node"
    export RESTANTE_SERVER__NODE="$node"
    if [ "${1:-}" = --trace ]; then
        export RESTANTE_TRACE__FILE="data/$node/trace.jsonl"
    fi
    : >"data/$node/ready"
    "$program" --config "$node.toml" serve >"data/$node/ready" 2>"data/$node/log" &
    pids+=($!)
    await_ready "$node" $!
done
subscribers
echo "all are ready; Ctrl-C ends them"
wait
