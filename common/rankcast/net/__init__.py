"""ZeroMQ sockets: options, threads, keys, link monitoring and the control client."""

from rankcast.net.authorized_keys import (
    Authorized,
    AuthorizedKey,
    authorize,
    load_authorized,
    revoke,
    rights_text,
)
from rankcast.net.context_end import end_context
from rankcast.net.control_client import ControlClient
from rankcast.net.host_name import LookUp, Whereabouts, look_up
from rankcast.net.key_file import (
    SECRET_SUFFIX,
    Z85_CHARS,
    Role,
    check_cameras,
    read_public,
    read_secret,
)
from rankcast.net.key_fingerprint import fingerprint
from rankcast.net.keys import client_keys, new_key, pinned_keys, server_keys
from rankcast.net.known_cameras import FILE_NAME as KNOWN_CAMERAS
from rankcast.net.known_cameras import KnownCameras
from rankcast.net.link import Link, LinkOptions
from rankcast.net.link_monitor import LinkMonitor, LinkState
from rankcast.net.monitor_event import next_event
from rankcast.net.socket_thread import SocketThread
from rankcast.net.traffic import HAS_TCP_INFO, borrowed, message_bytes, received_bytes
from rankcast.net.transport import (
    CONTROL_PORT_OFFSET,
    CONTROL_ZAP_DOMAIN,
    DEFAULT_ENDPOINT,
    LOSSLESS_UNACKNOWLEDGED_MS,
    SUBSCRIPTION_BYTES,
    UNACKNOWLEDGED_MS,
    ZAP_DOMAIN,
    ZAP_DOMAINS,
    CurveClient,
    SocketOptions,
    check_endpoint,
    check_exposure,
    configure,
    control_endpoint,
    ipc_path,
    is_ipv6,
    is_loopback,
    join_endpoint,
    new_context,
    open_socket,
    split_endpoint,
)
from rankcast.net.wakeup import Wakeup

__all__ = [
    "CONTROL_PORT_OFFSET",
    "CONTROL_ZAP_DOMAIN",
    "DEFAULT_ENDPOINT",
    "HAS_TCP_INFO",
    "KNOWN_CAMERAS",
    "LOSSLESS_UNACKNOWLEDGED_MS",
    "SECRET_SUFFIX",
    "SUBSCRIPTION_BYTES",
    "UNACKNOWLEDGED_MS",
    "Z85_CHARS",
    "ZAP_DOMAIN",
    "ZAP_DOMAINS",
    "Authorized",
    "AuthorizedKey",
    "ControlClient",
    "CurveClient",
    "KnownCameras",
    "Link",
    "LinkMonitor",
    "LinkOptions",
    "LinkState",
    "LookUp",
    "Role",
    "SocketOptions",
    "SocketThread",
    "Wakeup",
    "Whereabouts",
    "authorize",
    "borrowed",
    "check_cameras",
    "check_endpoint",
    "check_exposure",
    "client_keys",
    "configure",
    "control_endpoint",
    "end_context",
    "fingerprint",
    "ipc_path",
    "is_ipv6",
    "is_loopback",
    "join_endpoint",
    "load_authorized",
    "look_up",
    "message_bytes",
    "new_context",
    "new_key",
    "next_event",
    "open_socket",
    "pinned_keys",
    "read_public",
    "read_secret",
    "received_bytes",
    "revoke",
    "rights_text",
    "server_keys",
    "split_endpoint",
]
