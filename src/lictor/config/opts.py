"""Every option of Lictor, each named once. Options that mean what Octavia's mean have its names."""

import ipaddress

from oslo_config import cfg, types

DEFAULT_STATE_DIR = "/var/lib/lictor"

# OWASP's "B" list: the suites of TLS 1.3, then those of TLS 1.2 with forward secrecy and authenticated encryption.
STRONG_CIPHERS = (
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
)
LONGEST_TIMEOUT = 24 * 86_400_000
"""Milliseconds, as listeners may have them."""

LOG_FORMAT = (
    "{{ project_id }} {{ lb_id }} %f %ci %cp %t %{+Q}r %ST %B %U %[ssl_c_verify] %{+Q}[ssl_c_s_dn] %b %s %Tt %tsc"
)
"""Octavia's (reference, 4.8)."""

TLS_VERSIONS = ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
_versions = types.String(choices=TLS_VERSIONS)
_alpn = types.String(choices=["h2", "http/1.1", "http/1.0"])


class _Place(types.String):
    """``ip:port``; the address of IPv6 may stand in brackets."""

    def __call__(self, value: object) -> str:
        host, _, port = str(super().__call__(value)).strip().rpartition(":")
        ipaddress.ip_address(host.strip("[]"))
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{value} must be an IP address and a port, as in 192.0.2.1:10514")
        return f"{host}:{port}"


def _service(what: str) -> list[cfg.Opt]:
    """Where a service of the cloud is found; what Keystone's catalogue says holds where nothing is set."""
    return [
        cfg.StrOpt("endpoint", help=f"URL of {what} without its version; default: as Keystone's catalogue has it."),
        cfg.StrOpt("service_name", help=f"Of {what} in Keystone's catalogue; default: any of its type."),
        cfg.StrOpt("region_name", help=f"Of {what} in Keystone's catalogue; default: any."),
        cfg.StrOpt("endpoint_type", default="publicURL", help=f"{what}'s: public, internal or admin."),
        cfg.StrOpt("ca_certificates_file", help=f"PEM file: who signs {what}'s certificate; default: [service_auth]."),
        cfg.BoolOpt("insecure", default=False, help=f"Whether {what}'s certificate is not checked."),
    ]


OPTIONS: dict[str, list[cfg.Opt]] = {
    "DEFAULT": [
        cfg.StrOpt(
            "transport_url",
            secret=True,
            help="Of oslo.messaging: a bus that tells workers of work; default: PostgreSQL tells them, or nobody does.",
        ),
    ],
    "lictor": [
        cfg.StrOpt(
            "state_dir", default=DEFAULT_STATE_DIR, help="Where the embedded deployment keeps what must outlive it."
        ),
        cfg.StrOpt(
            "metrics_bind",
            help="ADDRESS:PORT of /healthz, /readyz and /metrics, or 'none'; default: on 127.0.0.1, by the command. "
            "Below a WSGI server that of the first process.",
        ),
        cfg.StrOpt(
            "deployment",
            default="lictor",
            regex="[A-Za-z0-9_.-]{1,40}",
            help="Tag of all that is made in a cloud. Two Lictors in one need two: each removes what is nobody's.",
        ),
        cfg.FloatOpt(
            "stuck_after",
            default=300.0,
            min=0.1,
            help="Seconds that a thread may be at one thing before its process says on /readyz that it is not ready.",
        ),
    ],
    "database": [
        cfg.StrOpt(
            "connection",
            secret=True,
            # oslo.db's, which Octavia has it from.
            deprecated_opts=[cfg.DeprecatedOpt("sql_connection", group=each) for each in ("DEFAULT", "database")],
            help="SQLAlchemy URL; default: SQLite in the state directory.",
        ),
    ],
    "api_settings": [
        cfg.HostAddressOpt("bind_host", default="127.0.0.1", help="Address of the API."),
        cfg.PortOpt("bind_port", default=9876, help="TCP port of the API."),
        cfg.StrOpt(
            "auth_strategy",
            default="http_basic",
            choices=["http_basic", "keystone", "noauth"],
            help="How callers prove who they are.",
        ),
        cfg.StrOpt("http_basic_auth_user_file", help="htpasswd file; default: htpasswd in the state directory."),
        cfg.DictOpt(
            "enabled_provider_drivers",
            default={
                "amphora": "Lictor's own: HAProxy in amphorae.",
                "octavia": "Another name of the amphora provider.",
            },
            help="Providers that users may name, with descriptions; amphorav2, lictor and noop_driver may be added.",
        ),
        cfg.StrOpt("default_provider_driver", default="amphora", help="Provider of load balancers that name none."),
        cfg.StrOpt("pagination_max_limit", default="1000", help="Longest page of a list, or 'infinite'."),
        cfg.BoolOpt("allow_pagination", default=True, help="Whether lists have pages; if not, they are whole."),
        cfg.BoolOpt("allow_sorting", default=True, help="Whether clients choose the order of lists."),
        cfg.BoolOpt("allow_filtering", default=True, help="Whether lists can be filtered; if not, that is refused."),
        cfg.BoolOpt("allow_field_selection", default=True, help="Whether clients choose the attributes they get."),
        cfg.BoolOpt(
            "healthcheck_enabled", default=False, help="Whether there is /healthcheck; with `lictor up` there is."
        ),
        cfg.StrOpt("api_base_uri", help="Base of links in answers; default: as the client wrote it."),
        cfg.IntOpt(
            "max_request_body_size",
            default=8 * 2**20,
            min=1024,
            # oslo.middleware's sizelimit has it there, and so has an octavia.conf.
            deprecated_group="oslo_middleware",
            help="Bytes; larger bodies are refused (413).",
        ),
        cfg.BoolOpt("strict_immutability", default=False, help="Refuse writes (409) as Octavia does, unless ACTIVE."),
        cfg.BoolOpt("allow_tls_terminated_listeners", default=True, help="Whether listeners may terminate TLS."),
        cfg.BoolOpt("allow_prometheus_listeners", default=True, help="Whether there may be PROMETHEUS listeners."),
        cfg.BoolOpt("allow_ping_health_monitors", default=True, help="Whether there may be PING health monitors."),
        cfg.IntOpt(
            "udp_connect_min_interval_health_monitor",
            default=3,
            min=0,
            help="Seconds: the shortest delay of UDP-CONNECT health monitors.",
        ),
        cfg.StrOpt("default_listener_ciphers", default=STRONG_CIPHERS, help="Of TLS listeners; OpenSSL's notation."),
        cfg.StrOpt("default_pool_ciphers", default=STRONG_CIPHERS, help="Of pools with TLS; OpenSSL's notation."),
        cfg.ListOpt(
            "default_listener_tls_versions", default=TLS_VERSIONS[3:], item_type=_versions, help="Of TLS listeners."
        ),
        cfg.ListOpt(
            "default_pool_tls_versions", default=TLS_VERSIONS[3:], item_type=_versions, help="Of pools with TLS."
        ),
        cfg.ListOpt(
            "default_listener_alpn_protocols",
            default=["h2", "http/1.1", "http/1.0"],
            item_type=_alpn,
            help="Of TLS listeners.",
        ),
        cfg.ListOpt(
            "default_pool_alpn_protocols",
            default=["h2", "http/1.1", "http/1.0"],
            item_type=_alpn,
            help="Of pools with TLS.",
        ),
        cfg.StrOpt(
            "tls_cipher_prohibit_list",
            default="",
            deprecated_name="tls_cipher_blacklist",
            help="Ciphers that nobody may ask for, with : in between.",
        ),
        cfg.StrOpt("minimum_tls_version", choices=TLS_VERSIONS, help="Older ones are refused; default: none is."),
        cfg.IntOpt("threads", default=10, min=1, help="Threads of the embedded server; more come when all are busy."),
    ],
    "controller_worker": [
        cfg.IntOpt("workers", default=4, min=1, help="Load balancers that one process works on at a time."),
        cfg.StrOpt("compute_driver", default="netns", help="Entry point in lictor.compute.drivers."),
        cfg.StrOpt("network_driver", default="local", help="Entry point in lictor.network.drivers."),
        cfg.StrOpt("amp_image_tag", default="", help="Tag of the images of amphorae, of which the newest is taken."),
        cfg.StrOpt("amp_image_owner_id", default="", help="Project whose images may be taken; default: any."),
        cfg.StrOpt("amp_flavor_id", default="", help="Nova's flavor of amphorae, unless the load balancer's says one."),
        cfg.StrOpt("amp_ssh_key_name", default="", help="Nova's key pair that may log in, if the image lets anybody."),
        cfg.ListOpt("amp_boot_network_list", default=[], help="Networks of amphorae; they are managed over the first."),
        cfg.ListOpt("amp_secgroup_list", default=[], help="Security groups of amphorae on these networks."),
        cfg.IntOpt(
            "amp_active_wait_sec",
            default=10,
            min=1,
            help="Longest pause between looks at a booting amphora, in seconds; of a boot that takes longer users are "
            "told.",
        ),
        cfg.StrOpt(
            "loadbalancer_topology",
            default="SINGLE",
            choices=["SINGLE", "ACTIVE_STANDBY"],
            help="For new load balancers that no flavor says it for.",
        ),
        cfg.FloatOpt(
            "poll_interval", default=0.1, min=0.01, help="Seconds between looks for work, if nothing wakes us."
        ),
        cfg.FloatOpt(
            "lease_duration", default=15.0, min=1.0, help="Seconds after which a dead worker's claims run out."
        ),
        cfg.FloatOpt(
            "retry_interval", default=1.0, min=0.01, help="Seconds before the second attempt; doubles, with jitter."
        ),
        cfg.FloatOpt("retry_max", default=60.0, min=0.01, help="Longest pause between attempts, in seconds."),
        cfg.IntOpt(
            "error_after", default=3, min=1, help="Attempts that fail before a load balancer is reported ERROR."
        ),
        cfg.IntOpt(
            "replacements_at_once",
            default=10,
            min=0,
            help="Amphorae that are being replaced at a time, of all load balancers and by all workers; 0: no limit.",
        ),
        cfg.IntOpt(
            "replacements_per_minute",
            default=120,
            min=0,
            help="Replacements that begin within a minute, of all load balancers and by all workers; 0: no limit.",
        ),
        cfg.FloatOpt(
            "replacement_pause",
            default=10.0,
            min=0.0,
            help="Seconds between automatic replacements of one load balancer, from the third in an hour on; doubles.",
        ),
        cfg.FloatOpt("replacement_pause_max", default=600.0, min=0.0, help="Longest pause between them, in seconds."),
        cfg.BoolOpt(
            "event_notifications",
            default=True,
            help="Whether load balancers that were made, changed or deleted are told of on a message bus, if "
            "[oslo_messaging_notifications] driver names a way.",
        ),
    ],
    "haproxy_amphora": [
        cfg.PortOpt("bind_port", default=9443, help="TCP port of the agents."),
        cfg.FloatOpt(
            "connection_timeout",
            default=300.0,
            min=0.1,
            help="Seconds in which an amphora must answer after its start; then it is replaced by another one.",
        ),
        cfg.FloatOpt("rest_request_conn_timeout", default=5.0, help="Seconds for a connection to an agent."),
        cfg.FloatOpt("rest_request_read_timeout", default=30.0, help="Seconds for an agent's answer."),
        cfg.IntOpt(
            "timeout_client_data", default=50000, min=0, max=LONGEST_TIMEOUT, help="Milliseconds; default of listeners."
        ),
        cfg.IntOpt(
            "timeout_member_connect",
            default=5000,
            min=0,
            max=LONGEST_TIMEOUT,
            help="Milliseconds; default of listeners.",
        ),
        cfg.IntOpt(
            "timeout_member_data", default=50000, min=0, max=LONGEST_TIMEOUT, help="Milliseconds; default of listeners."
        ),
        cfg.IntOpt(
            "timeout_tcp_inspect", default=0, min=0, max=LONGEST_TIMEOUT, help="Milliseconds; default of listeners."
        ),
        cfg.BoolOpt("connection_logging", default=True, help="Whether users' connections are logged to log targets."),
        cfg.StrOpt("user_log_format", default=LOG_FORMAT, help="HAProxy's, with {{ project_id }} and {{ lb_id }}."),
        cfg.IntOpt(
            "default_connection_limit", default=50000, help="For listeners that set none, as far as limits allow."
        ),
    ],
    "keepalived_vrrp": [
        cfg.FloatOpt(
            "vrrp_advert_int",
            default=0.1,
            min=0.02,
            max=40.0,
            help="Seconds between advertisements of a pair; after three that were missed the other amphora takes over.",
        ),
        cfg.IntOpt(
            "vrrp_garp_refresh_interval",
            default=5,
            min=1,
            help="Seconds between announcements (gratuitous ARP, neighbour advertisements) of VIPs that stay.",
        ),
        cfg.IntOpt("vrrp_garp_refresh_count", default=2, min=1, help="Announcements each time."),
    ],
    "neutron": _service("Neutron"),
    "glance": _service("Glance"),
    "nova": [
        *_service("Nova"),
        cfg.StrOpt("availability_zone", help="Nova's zone of amphorae, unless the load balancer's says one."),
        cfg.BoolOpt("enable_anti_affinity", default=False, help="Whether the amphorae of a pair run on two hosts."),
        cfg.StrOpt(
            "anti_affinity_policy",
            default="anti-affinity",
            choices=["anti-affinity", "soft-anti-affinity"],
            help="Whether a pair that cannot have two hosts is not made, or is made on one.",
        ),
    ],
    "amphora_agent": [
        cfg.ListOpt("admin_log_targets", item_type=_Place(), help="ip:port of syslog servers, in order of preference."),
        cfg.ListOpt("tenant_log_targets", item_type=_Place(), help="The same, for logs of users' connections."),
        cfg.IntOpt("user_log_facility", default=0, min=0, max=7, help="LOCAL facility of logs of users' connections."),
        cfg.IntOpt("administrative_log_facility", default=1, min=0, max=7, help="LOCAL facility of amphorae's own."),
        cfg.StrOpt("log_protocol", default="UDP", choices=["TCP", "UDP"], help="How syslog servers are spoken to."),
        cfg.IntOpt("log_retry_count", default=5, min=0, help="Further attempts before the next server is asked."),
        cfg.IntOpt("log_retry_interval", default=2, min=1, help="Seconds between attempts at one server."),
        cfg.IntOpt("log_queue_size", default=10000, min=1, help="Lines of each kind that wait in an amphora at most."),
        cfg.BoolOpt("disable_local_log_storage", default=False, help="Whether amphorae keep no log of their own."),
    ],
    "health_manager": [
        cfg.HostAddressOpt("bind_ip", default="0.0.0.0", help="Address of the heartbeat receiver."),
        cfg.StrOpt(
            "heartbeat_key",
            secret=True,
            help="What the keys of heartbeats follow from, alike on all hosts; default: secret in the state directory.",
        ),
        cfg.PortOpt("bind_port", default=5555, help="UDP port of the heartbeat receiver."),
        cfg.ListOpt(
            "controller_ip_port_list",
            default=[],
            item_type=_Place(),
            help="Where agents send heartbeats; default: this host.",
        ),
        cfg.FloatOpt(
            "heartbeat_interval", default=3.0, min=0.1, help="Seconds between heartbeats when nothing changes."
        ),
        cfg.FloatOpt(
            "heartbeat_timeout", default=10.0, min=0.5, help="Seconds of silence before an amphora is looked at."
        ),
        cfg.IntOpt(
            "haproxy_failures",
            default=5,
            min=0,
            help="Deaths and failed starts of HAProxy within a minute for which its amphora is replaced; 0: never.",
        ),
        cfg.FloatOpt(
            "instance_check_interval", default=10.0, min=0.1, help="Seconds between looks for instances that are gone."
        ),
        cfg.FloatOpt("health_check_interval", default=1.0, min=0.1, help="Seconds between looks for silent amphorae."),
        cfg.FloatOpt(
            "silent_share",
            default=0.25,
            min=0.0,
            max=1.0,
            help="When this share of all amphorae is silent at once, none is given up for it: the network is in doubt.",
        ),
        cfg.IntOpt("silent_least", default=10, min=1, help="Fewer silent amphorae than this are never too many."),
        cfg.IntOpt(
            "failover_threshold",
            min=1,
            help="So many silent amphorae are too many, whatever their share; default: any.",
        ),
        cfg.FloatOpt(
            "silent_pause",
            default=300.0,
            min=0.0,
            help="Seconds after which too many silent amphorae are replaced all the same, if others live; 0: never.",
        ),
        cfg.IntOpt("sock_rlimit", default=16 * 2**20, min=4096, help="Bytes of heartbeats that the kernel may keep."),
    ],
    "house_keeping": [
        cfg.FloatOpt("cleanup_interval", default=30.0, min=0.1, help="Seconds between looks for what nobody owns."),
        cfg.FloatOpt("orphan_expiry_age", default=60.0, min=0.0, help="Seconds before what nobody owns is removed."),
        cfg.IntOpt(
            "load_balancer_expiry_age",
            default=7 * 86400,
            min=0,
            help="Seconds for which the events of a deleted load balancer can still be read.",
        ),
        cfg.FloatOpt(
            "cert_interval", default=60.0, min=0.1, help="Seconds between looks for certificates of amphorae to renew."
        ),
        cfg.IntOpt(
            "cert_expiry_buffer",
            min=1,
            help="Seconds before its end at which an amphora's certificate is renewed; default: a third of its life.",
        ),
    ],
    "certificates": [
        cfg.StrOpt("ca_certificate", help="PEM file: the authority to begin with; default: one is made."),
        cfg.StrOpt("ca_private_key", help="PEM file without a pass phrase: its key, on an elliptic curve."),
        cfg.StrOpt("cert_manager", default="files", help="Entry point in lictor.secrets.drivers."),
        cfg.StrOpt("storage_path", help="Directory of the driver files; default: secrets in the state directory."),
        cfg.FloatOpt(
            "renewal_interval", default=30.0, min=0.1, help="Seconds between looks for secrets that were replaced."
        ),
        *_service("Barbican"),
        cfg.IntOpt(
            "cert_validity_time", default=30 * 86400, min=10, help="Seconds an amphora's certificate is good for."
        ),
    ],
    "networking": [
        cfg.BoolOpt(
            "allow_invisible_resource_usage",
            default=False,
            help="Whether users may name networks, subnets and ports that they do not see.",
        ),
        cfg.BoolOpt("allow_vip_port_id", default=True, help="Whether users may bring the port of a VIP."),
        cfg.BoolOpt("allow_vip_network_id", default=True, help="Whether users may name the network of a VIP."),
        cfg.BoolOpt("allow_vip_subnet_id", default=True, help="Whether users may name the subnet of a VIP."),
        cfg.ListOpt("valid_vip_networks", help="Networks that VIPs may be on; default: any."),
        cfg.ListOpt("denylist_vip_networks", default=[], help="Networks that no VIP may be on."),
        cfg.ListOpt("reserved_ips", default=["169.254.169.254"], help="Addresses that no member may have."),
    ],
    "audit": [
        cfg.BoolOpt("enabled", default=False, help="Whether requests and their outcomes are told of, as CADF events."),
        cfg.StrOpt("audit_map_file", help="What paths mean, in pyCADF's form; default: Lictor's own."),
        cfg.StrOpt("ignore_req_list", default="", help="Methods that are passed over, with commas in between."),
    ],
    "quotas": [
        cfg.IntOpt(
            f"default_{name}_quota", default=-1, min=-1, max=2_000_000_000, help="Of each project; -1: no limit."
        )
        for name in ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")
    ],
    "local_network": [
        # RFC 2544 sets 198.18.0.0/15 aside for tests between networks: the range least likely to be a host's own.
        cfg.StrOpt("cidr", default="198.18.0.0/20", help="Range of private-subnet: VIPs, amphorae and local servers."),
        cfg.StrOpt("management_cidr", default="198.19.0.0/20", help="Range of the management network."),
        cfg.ListOpt(
            "further_subnets",
            default=[],
            help="Ranges of further subnets of the same network, IPv4 or IPv6: private-subnet-2, ...",
        ),
        cfg.ListOpt(
            "further_networks",
            default=[],
            help="Ranges of further networks, each with a bridge and one subnet: private-2 with private-2-subnet, ...",
        ),
        cfg.StrOpt("subnet_name", default="private-subnet", help="Name of the embedded subnet."),
        cfg.StrOpt("network_name", default="private", help="Name of the embedded network."),
        # All ends are on this host, where large packets are cheap: a body of 64 KiB costs a quarter of the time.
        cfg.IntOpt("mtu", default=65535, min=1280, help="MTU of the embedded networks, as large as all attached have."),
    ],
}


def default(section: str, name: str) -> str:
    """What an option is if nobody says it, in text form. Raises ``StopIteration`` if there is no such option."""
    return str(next(option.default for option in OPTIONS[section] if option.dest == name))
