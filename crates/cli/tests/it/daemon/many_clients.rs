//! Many clients at once (T46, T47).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{TestDaemon, assert_downloaded, read_response, read_until, start_pull};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

const PULLS: u64 = 20;
const IDLE: usize = 2000;
/// The number of timed requests.
const TIMED_REQUESTS: usize = 500;
/// A generous limit for loaded machines; a response that waited for a pull would exceed it.
const SLOW: Duration = Duration::from_secs(30);
/// The limit of the daemon's memory, in KiB; it holds for unoptimised builds, too.
const CEILING: u64 = 150 << 10;
/// The limit of the additional memory for all idle clients, in KiB.
const IDLE_CEILING: u64 = 100 << 10;

/// Pushes the images, which share one layer and have one of their own each; returns the digest of the shared layer.
fn images(registry: &Registry, size: usize) -> windlass::image::Digest {
    let base = LayerBuilder::of_size_seeded(1 << 20, 1000);
    let images = (0..PULLS).map(|seed| {
        let own = LayerBuilder::of_size_seeded(size, seed);
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(base.clone())
            .layer(own);
        registry.push(image, &format!("app:{seed}"))
    });
    images.collect::<Vec<_>>()[0].layers[0].digest
}

fn start_all(daemon: &TestDaemon, registry: &Registry) -> Vec<UnixStream> {
    let pulls = (0..PULLS).map(|seed| start_pull(daemon, registry, &format!("app:{seed}")));
    pulls.collect()
}

fn finish(mut pulls: Vec<UnixStream>, registry: &Registry) {
    for (seed, pull) in pulls.iter_mut().enumerate() {
        assert_downloaded(&read_response(pull).body, registry, &format!("app:{seed}"));
    }
}

/// T46
#[test]
fn concurrent_pulls_share_layers() {
    let registry = Registry::start();
    let base = images(&registry, 100_000);
    let gate = registry.blob(&base).hold();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let mut pulls = start_all(&daemon, &registry);
    for pull in &mut pulls {
        // From here on each pull has joined the transfers of its layers.
        read_until(pull, "Pulling fs layer");
    }
    gate.open();
    for (seed, pull) in pulls.iter_mut().enumerate() {
        let mut body = String::new();
        pull.read_to_string(&mut body).unwrap();
        assert_downloaded(&body, &registry, &format!("app:{seed}"));
    }
    assert_eq!(registry.requested_ranges(&base), ["whole"]);
    let listed = daemon.get("/images/json").json();
    assert_eq!(listed.as_array().unwrap().len(), 20);
    assert!(
        daemon.peak_memory() < CEILING,
        "{} KiB",
        daemon.peak_memory()
    );
}

/// Requests the list of images over an existing connection, and returns the response time.
fn response_time(stream: &mut UnixStream) -> Duration {
    let begun = Instant::now();
    stream
        .write_all(b"GET /images/json HTTP/1.1\r\nhost: d\r\n\r\n")
        .unwrap();
    let mut text = Vec::new();
    let mut piece = vec![0; 65536];
    loop {
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0);
        text.extend_from_slice(&piece[..length]);
        let all = String::from_utf8_lossy(&text);
        let Some((head, body)) = all.split_once("\r\n\r\n") else {
            continue;
        };
        let expected = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == expected.unwrap().parse::<usize>().unwrap() {
            return begun.elapsed();
        }
    }
}

/// T47: the daemon raises the default limit of open files, which is too low for so many clients.
#[test]
fn idle_clients_do_not_slow_responses() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let registry = Registry::builder().link(8 << 20).start();
    images(&registry, 1 << 20);
    let windlass = Windlass::new();
    let host = format!("unix://{}", windlass.path("d.sock").display());
    let script = "ulimit -S -n 1024; exec \"$@\"";
    let daemon = windlass.through(["sh", "-c", script, "sh"], ["daemon", "--host", &host]);
    let daemon = TestDaemon::start_command(&windlass, daemon);
    let (before, memory) = (daemon.descriptors(), daemon.peak_memory());
    let idle: Vec<_> = (0..IDLE)
        .map(|_| UnixStream::connect(&daemon.socket).unwrap())
        .collect();
    let mut connection = UnixStream::connect(&daemon.socket).unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    response_time(&mut connection);
    assert!(daemon.descriptors() > IDLE);
    let memory = daemon.peak_memory() - memory;
    assert!(memory < IDLE_CEILING, "{memory} KiB");

    let pulls = start_all(&daemon, &registry);
    let mut times = Vec::new();
    for _ in 0..TIMED_REQUESTS {
        times.push(response_time(&mut connection));
        // The requests are spread over the duration of the pulls.
        thread::sleep(Duration::from_millis(4));
    }
    finish(pulls, &registry);
    times.sort();
    let (half, most) = (times[TIMED_REQUESTS / 2], times[TIMED_REQUESTS * 99 / 100]);
    eprintln!(
        "half of the answers within {half:?}, 99 % within {most:?}, all within {:?}",
        times[TIMED_REQUESTS - 1]
    );
    eprintln!(
        "idle clients: {memory} KiB; in all {} KiB",
        daemon.peak_memory()
    );
    assert!(most < SLOW, "{most:?}");
    assert!(daemon.peak_memory() < CEILING + IDLE_CEILING);
    drop((idle, connection));
    daemon.wait_for_descriptors(before + 8);
}
