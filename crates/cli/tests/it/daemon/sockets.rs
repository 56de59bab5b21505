//! Sockets: permissions, inherited descriptors, metrics.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{TestDaemon, assert_downloaded, read_response, request};
use crate::harness::{PLATFORM, Windlass};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// T49: the modes do not depend on the umask.
#[test]
fn the_socket_and_the_store_are_private() {
    for umask in ["000", "022", "077"] {
        let windlass = Windlass::new();
        let group = fs::metadata(windlass.path("home")).unwrap().gid();
        let host = format!("unix://{}", windlass.path("new/d.sock").display());
        let script = format!("umask {umask}; exec \"$@\"");
        let group = group.to_string();
        let args = ["daemon", "-H", &host, "--group", &group];
        let daemon = TestDaemon::start_command(
            &windlass,
            windlass.through(["sh", "-c", &script, "sh"], args),
        );
        let socket = windlass.path("new/d.sock");
        assert_eq!(mode(&socket), 0o660, "umask {umask}");
        assert_eq!(fs::metadata(&socket).unwrap().gid().to_string(), group);
        assert_eq!(mode(&windlass.path("new")) & 0o022, 0, "umask {umask}");
        assert_eq!(mode(&windlass.root()), 0o700, "umask {umask}");
        assert!(daemon.stop().success());
        assert!(!socket.exists());
    }
}

/// T49: other users cannot connect even if the directory is accessible to them.
#[test]
fn other_users_cannot_connect() {
    if !geteuid().is_root() {
        return;
    }
    let windlass = Windlass::new();
    fs::set_permissions(windlass.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = TestDaemon::start(&windlass, &[]);
    let others = std::thread::scope(|scope| {
        let connect = || {
            let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
            // The user of this thread only.
            set_thread_groups(&[group]).unwrap();
            set_thread_res_gid(group, group, group).unwrap();
            set_thread_res_uid(user, user, user).unwrap();
            UnixStream::connect(&daemon.socket).map_err(|error| error.kind())
        };
        scope.spawn(connect).join().unwrap()
    });
    assert_eq!(others.unwrap_err(), ErrorKind::PermissionDenied);
    assert_eq!(daemon.get("/_ping").body, "OK");
}

#[test]
fn a_daemon_starts_after_another_was_killed() {
    let windlass = Windlass::new();
    let mut daemon = TestDaemon::start(&windlass, &[]);
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    assert!(daemon.socket.exists());
    let daemon = TestDaemon::start(&windlass, &[]);
    assert_eq!(daemon.get("/_ping").body, "OK");
}

#[test]
fn sockets_of_the_service_manager_are_used() {
    let windlass = Windlass::new();
    let path = windlass.path("d.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let mut command = windlass.through(["sh", "-c", script, "sh"], ["daemon"]);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let daemon = TestDaemon::start_command(&windlass, command);
    assert_eq!(daemon.get("/_ping").body, "OK");
    // The daemon does not remove a socket that the service manager created.
    assert!(daemon.stop().success());
    assert!(path.exists());
}

#[test]
fn an_inherited_descriptor_must_be_a_private_socket() {
    let mut windlass = Windlass::new();
    windlass.mask(&"(os error 9)", "(code)");
    let run = |stdin: Stdio, pid: &str| {
        let script =
            format!("exec 3<&0 </dev/null; export LISTEN_PID={pid} LISTEN_FDS=1; exec \"$@\"");
        let args = ["daemon", "-l", "error", "-H", "fd://"];
        let mut command = windlass.through(["sh", "-c", &script, "sh"], args);
        windlass.show(&command.stdin(stdin).output().unwrap())
    };
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let runs = [
        run(Stdio::from(OwnedFd::from(tcp)), "$$").replace(&port, "<port>"),
        run(Stdio::null(), "$$"),
        // The variable names another process.
        run(Stdio::null(), "1"),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 1
    --- stderr
    error: tcp://127.0.0.1:<port> is open to the network: it requires TLS with certificates on both sides
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward

    exit: 1
    --- stderr
    error: the inherited descriptor 3 is not a listening stream socket

    exit: 1
    --- stderr
    error: fd:// was given, but the service manager passed no socket
    ");
}

/// The format of Prometheus: every line is a comment or a sample of a declared metric.
#[test]
fn metrics_are_on_the_socket_and_on_a_port_of_their_own() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000))
        .pack();
    registry.push(image, "app:1");
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--metrics-addr", "127.0.0.1:0"]);
    let create = format!(
        "/images/create?fromImage={}&tag=1&platform={PLATFORM}",
        registry.name("app")
    );
    let pulled = request(&daemon.socket, "POST", &create);
    assert_downloaded(&pulled.body, &registry, "app:1");

    let log = daemon.log();
    let address = log.split("address=http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        read_response(&mut stream)
    };
    assert_eq!(get("/images/json").status, 404);
    assert_eq!(get("/info").status, 404);
    for text in [daemon.get("/metrics").body, get("/metrics").body] {
        let names = samples(&text);
        let value = |name: &str| {
            let sample = names.iter().find(|(sample, _)| sample == name);
            sample.unwrap_or_else(|| panic!("{name}: {text}")).1
        };
        assert!((value("windlass_pulls_total{outcome=\"downloaded\"}") - 1.0).abs() < 0.1);
        assert!(value("windlass_daemon_start_time_seconds") > 1.7e9);
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") > 3.0);
        let last = value("windlass_pull_duration_seconds_bucket{le=\"+Inf\"}");
        assert!((last - value("windlass_pull_duration_seconds_count")).abs() < 0.1);
    }
    daemon.wait_for_log(1, "INFO pulled reference=");
}

fn samples(text: &str) -> Vec<(String, f64)> {
    let mut announced = "";
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kind != "counter" || name.ends_with("_total"), "{line}");
            announced = name;
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.split_once(' ').is_some(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert!(name.starts_with(announced), "{line} below {announced}");
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                "{line}"
            );
            samples.push((sample.to_owned(), value.parse().unwrap()));
        }
    }
    samples
}
