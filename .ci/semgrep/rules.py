# Examples for rules.yml: each `ruleid` line must be found, each `ok` line must not. No module of ours; nothing imports it.
# ruleid: no-redirects
client = httpx.AsyncClient(follow_redirects=True, trust_env=False)
# ok: no-redirects
client = httpx.AsyncClient(follow_redirects=False, trust_env=False)
# ruleid: no-environment-for-connections
client = httpx.AsyncClient(timeout=1)
# ruleid: no-environment-for-connections
client = httpx.Client(trust_env=True)
# ok: no-environment-for-connections
client = httpx.Client(trust_env=False)
# ruleid: no-connection-without-verification
transport = httpx.HTTPTransport(verify=False)
# ruleid: no-connection-without-verification
context.check_hostname = False
# ok: no-connection-without-verification
transport = httpx.HTTPTransport(verify=context)
claims = jwt.decode(
    token,
    # ruleid: no-unverified-token
    options={"require": ["exp"], "verify_signature": False},
)
# ok: no-unverified-token
claims = jwt.decode(token, key, options={"require": ["exp"], "verify_signature": True})
# ruleid: no-code-from-data
value = eval(text)
# ruleid: no-code-from-data
value = pickle.loads(body)
# ok: no-code-from-data
value = ast.literal_eval(text)
# ruleid: no-sql-made-of-text
connection.execute(f"SELECT * FROM feedback WHERE card = '{card}'")
# ok: no-sql-made-of-text
connection.execute("SELECT * FROM feedback WHERE card = ?", (card,))
# ruleid: no-error-passed-over
try:
    work()
except Exception:
    pass
# ok: no-error-passed-over
try:
    work()
except ValueError:
    pass
# ruleid: no-header-or-token-in-a-line
events.emit(Event.HOOK_CALL, service=request.headers["x"])
# ruleid: no-header-or-token-in-a-line
print("called with", request.token)
# ok: no-header-or-token-in-a-line
events.emit(Event.HOOK_CALL, service=service)
# ruleid: no-address-of-the-caller-dialled
chart = Chart(connection, request.fhir_server, token, limits, deadline)
# ok: no-address-of-the-caller-dialled
chart = Chart(connection, caller.base, token, limits, deadline)
