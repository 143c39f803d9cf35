import msgspec
import pytest

from lictor import wire
from lictor.agent.haproxy import changes, serverstate, statistics
from lictor.agent.haproxy.carry import Carry
from lictor.agent.haproxy.lines import server_lines
from lictor.agent.haproxy.section import global_section

BACKEND = "pool:listener"
change = msgspec.structs.replace


def server(name, **fields):
    return wire.Server(**{"backend": BACKEND, "name": name, "address": "192.0.2.1", "port": 80, **fields})


def haproxy(*servers, extra="    balance roundrobin"):
    lines = ["frontend listener", f"    default_backend {BACKEND}", f"backend {BACKEND}", extra]
    return wire.HAProxy(config="\n".join([*lines, *(f"    {s.line()}" for s in servers), ""]), servers=list(servers))


def commands(old, new):
    steps = changes.plan(old, new)
    return steps if steps is None else [step.command for step in steps + changes.removals(old, new)]


A, B = server("a"), server("b", options="check inter 1s")


def test_equal_tables_need_no_command():
    assert commands(haproxy(A, B), haproxy(B, A)) == []


def test_a_new_server_is_added_checked_and_enabled():
    name = f"{BACKEND}/b"
    assert commands(haproxy(A), haproxy(A, B)) == [
        f"add server {name} 192.0.2.1:80 weight 1 check inter 1s",
        f"enable health {name}",
        f"enable server {name}",
        f"set server {name} health down",
    ]


def test_a_pinged_server_begins_as_down_and_is_up_when_nobody_pings_it_any_more():
    name, ping = f"{BACKEND}/c", wire.Ping(address="192.0.2.1", interval=1, timeout=1)
    pinged = server("c", ping=ping)
    assert commands(haproxy(A), haproxy(A, pinged))[1:] == [f"enable server {name}", f"set server {name} health down"]
    assert commands(haproxy(A, pinged), haproxy(A, server("c"))) == [f"set server {name} health up"]
    assert commands(haproxy(A, server("c")), haproxy(A, pinged)) == [], "it goes on until it does not answer"
    maint = change(pinged, state=wire.ServerState.MAINT)
    assert commands(haproxy(A, maint), haproxy(A, pinged)) == [
        f"set server {name} state ready",
        f"set server {name} health down",
    ]


def test_a_new_server_in_maintenance_is_not_enabled():
    maint = server("c", state=wire.ServerState.MAINT, address="2001:db8::1")
    assert commands(haproxy(A), haproxy(A, maint)) == [f"add server {BACKEND}/c [2001:db8::1]:80 weight 1"]


def test_servers_come_before_others_go():
    kinds = [command.split()[0] for command in commands(haproxy(A), haproxy(B))]
    assert kinds == ["add", "enable", "enable", "set", "set", "del"]


def test_weight_and_state_are_changed_in_place():
    new = change(A, weight=5, state=wire.ServerState.MAINT)
    assert commands(haproxy(A), haproxy(new)) == [
        f"set server {BACKEND}/a weight 5",
        f"set server {BACKEND}/a state maint",
    ]


@pytest.mark.parametrize("other", [{"address": "192.0.2.9"}, {"port": 81}, {"options": "backup"}])
def test_what_cannot_be_changed_in_place_needs_a_reload(other):
    assert commands(haproxy(A), haproxy(change(A, **other))) is None


def test_another_skeleton_needs_a_reload():
    assert commands(haproxy(A), haproxy(A, extra="    balance leastconn")) is None


def comparing(value, test="acl r8 path -m beg -u 8 --"):
    pattern = wire.Pattern(number=8, test=test, value=value)
    config = f"frontend f\n    {pattern.line()}\n    http-request deny if r8\n"
    return wire.HAProxy(config=config, patterns=[pattern])


def test_a_new_value_of_a_rule_is_there_before_the_old_one_goes():
    assert commands(comparing("/a"), comparing("/b c;\\d")) == ["add acl #8 /b\\ c\\;\\\\d", "del acl #8 /a"]
    assert commands(comparing("(?<a>b)"), comparing("/a")) == ["add acl #8 /a", "del acl #8 (?<a>b)"]
    assert commands(comparing("/a"), comparing("/a")) == []


def limited(**limits):
    found = [wire.Limit(frontend=frontend, connections=limit) for frontend, limit in limits.items()]
    config = "".join(f"frontend {each.frontend}\n    {each.line()}\n" for each in found)
    return wire.HAProxy(config=config, limits=found)


def test_a_connection_limit_changes_in_place_each_in_its_frontend():
    assert commands(limited(f=10, g=20), limited(f=20, g=20)) == ["set maxconn frontend f 20"]
    assert commands(limited(f=10, g=20), limited(f=20, g=10)) == [
        "set maxconn frontend f 20",
        "set maxconn frontend g 10",
    ]
    assert commands(limited(f=10), limited(g=10)) is None


@pytest.mark.parametrize("new", [comparing("a<<b"), comparing("a\tb"), comparing("/b", "acl r8 path -m end -u 8 --")])
def test_what_a_command_cannot_say_of_a_rule_needs_a_reload(new):
    assert commands(comparing("/a"), new) is None
    assert commands(new, comparing("/a")) is None


@pytest.mark.parametrize(
    ("command", "answer", "done"),
    [
        ("add", "New server registered.", True),
        ("add", "Already exists server with the same name in this backend.", False),
        ("add", "", False),
        ("enable", "", True),
        ("enable", "No such server.", False),
        ("del", "Server deleted.", True),
        ("del", "Server still has connections attached to it, cannot remove it.", True),
        ("del", "No such server.", False),
    ],
)
def test_only_the_right_answers_count(command, answer, done):
    both = changes.plan(haproxy(A), haproxy(B)) + changes.removals(haproxy(A), haproxy(B))
    step = next(s for s in both if s.command.startswith(command))
    assert step.done(answer) is done


def test_server_lines_are_found_in_their_backends_only():
    text = "frontend f\n    server no 1:1\nbackend b\n    server s 192.0.2.1:80 weight 1\n\n    # server x\n"
    text += "backend c\n\tserver s 1:2\n"
    assert set(server_lines(text)) == {("b", "s"), ("c", "s")}


# --- state handed over a reload

HEADER = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight x"


def shown(*rows):
    return "\n".join([HEADER, *(f"3 {BACKEND} 1 {name} 192.0.2.1 0 {admin} {u} {i} z" for name, admin, u, i in rows)])


def test_what_checks_know_is_handed_over_with_the_new_weight():
    text = serverstate.hand_over(shown(("a", 0, 7, 1)), haproxy(A), haproxy(change(A, weight=3), extra=""))
    assert text.split("\n")[2] == f"3 {BACKEND} 1 a 192.0.2.1 0 0 3 3 z"


@pytest.mark.parametrize(
    ("new", "admin"), [(A, 1), (change(A, state=wire.ServerState.MAINT), 0), (change(A, options="check"), 0), (B, 0)]
)
def test_servers_in_maintenance_and_changed_ones_start_as_configured(new, admin):
    text = serverstate.hand_over(shown(("a", admin, 1, 1)), haproxy(A), haproxy(new))
    assert "192.0.2.1" not in text


def test_an_answer_that_is_no_table_hands_nothing_over():
    assert serverstate.hand_over("Permission denied", haproxy(A), haproxy(A)) == ""
    assert serverstate.hand_over(shown(), None, haproxy(A)) == ""


# --- statistics

COLUMNS = "# pxname,svname,scur,slim,stot,bin,bout,ereq,status,weight,last_chk,type"


def stat(*lines):
    return statistics.parse("\n".join([COLUMNS, *lines]))


def test_rows_are_read_by_name_also_with_quotes_and_newlines_in_them():
    rows = stat("f,FRONTEND,3,10,40,100,200,5,OPEN,,,0", f'{BACKEND},a,,,,,,,UP,1,"broken, ""x""\nf,FRONTEND",2')
    assert [row.server for row in rows] == ["FRONTEND", "a"]
    assert rows[0].figures == wire.ListenerStatistics(
        bytes_in=100, bytes_out=200, active_connections=3, total_connections=40, request_errors=5
    )


def test_a_listener_at_its_limit_is_full_and_one_that_is_closed_is_not_reported():
    rows = stat("f,FRONTEND,10,10,,,,,OPEN,,,0", "g,FRONTEND,9,10,,,,,OPEN,,,0", "h,FRONTEND,,10,,,,,STOP,,,0")
    assert {name: report.status for name, report in statistics.listeners(rows, {}).items()} == {
        "f": "FULL",
        "g": "OPEN",
    }


@pytest.mark.parametrize(
    ("status", "weight", "word"),
    [
        ("UP", 1, "UP"), ("UP 1/3", 1, "UP"), ("DOWN", 1, "DOWN"), ("DOWN 1/2", 1, "DOWN"), ("UP", 0, "DRAIN"),
        ("DRAIN", 1, "DRAIN"), ("NOLB 1/2", 1, "DRAIN"), ("MAINT", 1, "MAINT"), ("MAINT (via x/y)", 1, "MAINT"),
        ("no check", 1, "no check"), ("no check", 0, "no check"), ("DOWN (agent)", 1, "DOWN"), ("", 1, "RESTARTING"),
    ],
)  # fmt: skip
def test_haproxys_statuses_become_the_words_of_the_wire(status, weight, word):
    assert statistics.member_status(status, weight) == word


def test_pools_name_their_own_members_only_and_without_any_are_up():
    rows = stat(
        f"{BACKEND},a,,,,,,,MAINT,1,,2", f"{BACKEND},old,,,,,,,MAINT,1,,2", f"{BACKEND},BACKEND,,,,,,,DOWN,0,,1"
    )
    report = wire.PoolReport(status="DOWN", members={"a": "MAINT"})
    assert statistics.pools(rows, {(BACKEND, "a")}, {})[BACKEND] == report
    assert statistics.pools(rows, set(), {})[BACKEND] == wire.PoolReport(status="UP")
    assert statistics.strays(rows, {(BACKEND, "a")}) == [(BACKEND, "old")]


# --- counters


def counted(carry, worker, **listeners):
    figures = {n: wire.ListenerStatistics(total_connections=t, active_connections=1) for n, t in listeners.items()}
    return {name: sums.total_connections for name, sums in carry.count(worker, figures).items()}


def test_counters_go_on_over_workers_agents_and_listeners_that_come_back(tmp_path):
    carry = Carry(tmp_path / "counters.json")
    assert counted(carry, 10, f=5, g=1) == {"f": 5, "g": 1}
    assert counted(carry, 11, f=2) == {"f": 7}
    carry = Carry(tmp_path / "counters.json")
    assert counted(carry, 11, f=4) == {"f": 9}
    assert counted(carry, 11, f=1) == {"f": 10}  # a recycled pid
    assert counted(carry, 12, f=0, g=3) == {"f": 10, "g": 4}
    sums = carry.count(12, {"f": wire.ListenerStatistics(active_connections=8)})
    assert sums["f"].active_connections == 8


def test_a_worker_that_leaves_is_counted_to_its_end(tmp_path):
    def figures(total, active=0):
        return {"f": wire.ListenerStatistics(total_connections=total, active_connections=active)}

    carry = Carry(tmp_path / "counters.json")
    carry.count(10, figures(5, 2))
    carry.leaves(10, figures(6, 2))
    both = carry.count(11, figures(1, 1))["f"]
    assert (both.total_connections, both.active_connections) == (7, 3)
    carry.leaves(10, figures(8))
    carry.gone(10)
    after = carry.count(11, figures(2))["f"]
    assert (after.total_connections, after.active_connections) == (10, 0)
    carry.leaves(11, figures(4, 3))
    again = Carry(tmp_path / "counters.json").count(12, figures(1, 1))["f"]
    assert (again.total_connections, again.active_connections) == (11, 1), "as it was last written down"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"worker": "x"}'])
def test_counters_that_cannot_be_read_start_anew(tmp_path, text):
    (tmp_path / "counters.json").write_text(text)
    assert counted(Carry(tmp_path / "counters.json"), 1, f=2) == {"f": 2}


def test_maxconn_leaves_descriptors_for_checks(tmp_path, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 20000))
    words = dict(
        line.split(None, 1) for line in global_section(tmp_path, tmp_path / "c").splitlines()[1:] if " " in line.strip()
    )
    assert int(words["maxconn"]) * 2 + 29 < 20000
    assert words["fd-hard-limit"] == "20000"


@pytest.mark.parametrize(("options", "tls"), [("check inter 1s", "0"), ("check inter 1s ssl verify none", "1")])
def test_a_server_that_begins_as_down_speaks_tls_if_its_line_says_so(options, tls):
    _version, header, line, *_rest = serverstate.newborn(haproxy(change(A, options=options))).split("\n")
    assert dict(zip(header[2:].split(), line.split(), strict=True))["srv_use_ssl"] == tls


@pytest.mark.parametrize(
    ("status", "check", "judged"),
    [
        ("DOWN", "INI", False),
        ("DOWN", "* INI", False),
        ("DOWN 1/3", "L7OK", False),  # a good check, but HAProxy wants three: the agent raises it next
        ("DOWN 1/3", "* L4OK", False),
        ("UP", "L7OK", True),
        ("DOWN", "L4CON", True),
        ("DOWN", "* L7STS", True),
    ],
)
def test_a_new_server_is_judged_when_a_check_has_ended_and_its_result_holds(status, check, judged):
    row = statistics.Row(BACKEND, "a", status, 1, wire.ListenerStatistics(), 0, check)
    assert row.judged is judged
