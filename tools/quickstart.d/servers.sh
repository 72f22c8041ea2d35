# Of tools/quickstart: the simulated Cloudflare and the private Apache.
# shellcheck shell=bash
# shellcheck disable=SC2317 # functions are reached through step
# shellcheck disable=SC2015 # A && B || die: meant as "unless both"
# shellcheck disable=SC2034,SC2154 # shared with the other files

# ---- simulator -----------------------------------------------------------------------------------

# Its own directory lies in ours. That it ends with us is for the case that we are killed.
start_simulator()
{
    ANCHOR=$(date +%s)
    TMPDIR=$RUN/run "$TOP/tools/simulator" --with-parent --speed "$SPEED" --anchor "$ANCHOR" \
        >"$RUN/simulator.json" 2>"$RUN/logs/simulator.log" </dev/null 7<&- &
    SIMULATOR=$!
    step 'simulated Cloudflare' wait_for_simulator
    CONTROL=$(simulator_line control)
}

wait_for_simulator()
{
    local i

    for ((i = 0; i < 150; i++)); do
        [ -s "$RUN/simulator.json" ] && return 0
        kill -0 "$SIMULATOR" 2>/dev/null || break
        nap 0.1
    done
    echo 'The simulator did not start. What it said:'
    cat "$RUN/logs/simulator.log"
    return 1
}

# What the simulator's line of JSON says at a place like tokens.valid
simulator_line()
{
    /usr/bin/python3 -c '
import functools, json, sys
with open(sys.argv[1]) as line:
    print(functools.reduce(dict.__getitem__, sys.argv[2].split("."), json.load(line)))
' "$RUN/simulator.json" "$1"
}

# What to tell the simulator is JSON on standard input.
control() # PATH
{
    fetch -f -o "$RUN/run/control.json" --data-binary @- "$CONTROL/$1"
}

# Where its webhooks go, as one saves a destination in the dashboard.
connect_simulator()
{
    printf '{"url": "https://127.0.0.1:%s/webhook/cloudflare", "secret": "%s"}' \
        "$TLS_PORT" "$(<"$RUN/secret")" | control hooks
}

begin_attack() { printf '{"name": "single-attack"}' | control scenario; }

stop_simulator()
{
    [ -n "$SIMULATOR" ] && kill -TERM "$SIMULATOR" 2>/dev/null
    wait "$SIMULATOR" 2>/dev/null
    SIMULATOR=
}

# ---- ports ---------------------------------------------------------------------------------------

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

next_free_port() # FIRST UNLIKE
{
    local port=$1

    while [ "$port" -le 65535 ]; do
        if [ "$port" -ne "$2" ] && ! port_taken "$port"; then
            echo "$port"
            return 0
        fi
        port=$((port + 1))
    done
    return 1
}

choose_ports()
{
    local http tls

    http=$(next_free_port "$HTTP_PORT" 0) && tls=$(next_free_port "$TLS_PORT" "$http") ||
        die "no free port from $HTTP_PORT upwards."
    [ "$http" -eq "$HTTP_PORT" ] || say "Port $HTTP_PORT is taken: using $http."
    [ "$tls" -eq "$TLS_PORT" ] || say "Port $TLS_PORT is taken: using $tls."
    HTTP_PORT=$http
    TLS_PORT=$tls
}

# ---- Apache --------------------------------------------------------------------------------------

make_secrets_and_certificate()
{
    (
        umask 077
        cd "$RUN" &&
        openssl rand -hex 24 >secret &&
        simulator_line tokens.valid >token &&
        simulator_line bot_token >bot &&
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7 \
            -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
            -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') \
            -keyout key.pem -out cert.pem &&
        cat cert.pem key.pem >server.pem && rm key.pem
    )
}

# What a2enmod and Debian's apache2.conf do on a real server.
write_base_configuration()
{
    local modules name

    modules=$(apxs -q LIBEXECDIR 2>/dev/null || apxs2 -q LIBEXECDIR)
    {
        printf '%s\n' '# A minimal Apache; mod_cfmt comes in by the Include lines at the end.' \
            "ServerRoot \"$RUN\"" "ServerName localhost" "PidFile \"$RUN/run/httpd.pid\"" \
            "DefaultRuntimeDir \"$RUN/run\"" "DocumentRoot \"$RUN/htdocs\""
        for name in mpm_event unixd log_config authz_core authz_host reqtimeout socache_shmcb \
            ssl; do
            [ ! -e "$modules/mod_$name.so" ] ||
                echo "LoadModule ${name}_module \"$modules/mod_$name.so\""
        done
        [ "$(id -u)" -ne 0 ] || printf '%s\n' "User $(httpd_user)" "Group $(id -gn "$(httpd_user)")"
        # shellcheck disable=SC2016 # no shell variables in there
        printf '%s\n' "ErrorLog \"$RUN/logs/error.log\"" 'LogLevel notice cfmt:info' \
            "SSLSessionCache shmcb:$RUN/run/ssl(512000)" \
            'LogFormat "%t %a \"%r\" %>s cfmt=%{cfmt-result}n" quickstart' \
            "CustomLog \"$RUN/logs/access.log\" quickstart" \
            "Include \"$WORK/prefix/mods-available/cfmt.load\"" \
            "Include \"$WORK/prefix/mods-available/cfmt.conf\"" "Include \"$RUN/quickstart.conf\""
    } >"$RUN/httpd.conf"
}

write_own_configuration()
{
    cat >"$RUN/quickstart.conf" <<END
Listen 127.0.0.1:$HTTP_PORT
Listen 127.0.0.1:$TLS_PORT
CfmtDb "$RUN/state/cfmt.db"
CfmtSecret "file:$RUN/secret" label=quickstart
CfmtSenders cloudflare 127.0.0.0/8 ::1/128
# A demonstration may act at once. Where a network depends on it, begin with CfmtMode observe.
CfmtMode enforce
CfmtPrefix * withdraw=auto advertise=auto
CfmtPrefix 198.51.100.0/24 name=web withdraw=auto advertise=auto
CfmtAccountId $(simulator_line account)
CfmtApiToken "file:$RUN/token"
CfmtApiUrl $(simulator_line rest)
CfmtGraphqlUrl $(simulator_line graphql)
# Who is told: here a group of the simulated Telegram.
CfmtTelegramUrl $(simulator_line telegram)
CfmtNotify telegram name=ops token=file:$RUN/bot chat=-1001234567890
CfmtDemoSpeed $SPEED since=$(date -u -d "@$ANCHOR" +%Y-%m-%dT%H:%M:%SZ)
<VirtualHost 127.0.0.1:$TLS_PORT>
    SSLEngine on
    SSLCertificateFile "$RUN/server.pem"
</VirtualHost>
END
}

start_httpd()
{
    "$(httpd_program)" -f "$RUN/httpd.conf" -k start 7<&- && wait_for_httpd
}

wait_for_httpd()
{
    local i

    for ((i = 0; i < 100; i++)); do
        if [ -s "$RUN/run/httpd.pid" ] && port_taken "$HTTP_PORT" && port_taken "$TLS_PORT"; then
            return 0
        fi
        nap 0.1
    done
    echo 'Apache did not answer within 10 s. Its error log:'
    cat "$RUN/logs/error.log" 2>/dev/null
    return 1
}

httpd_pid() { cat "$RUN/run/httpd.pid" 2>/dev/null || echo "$RUN_GROUP"; }

stop_httpd()
{
    local pid i

    pid=$(httpd_pid)
    [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 150; i++)); do
        kill -0 -- "-$pid" 2>/dev/null || return 0
        nap 0.1
    done
    # Apache is the leader of its own process group: this reaches its children and nobody else.
    kill -KILL -- "-$pid" 2>/dev/null
    return 1
}

fetch() { curl -q -sS --noproxy '*' --max-time 10 --cacert "$RUN/cert.pem" "$@"; }

ctl() { "$CFMTCTL" --db "$RUN/state/cfmt.db" "$@"; }
